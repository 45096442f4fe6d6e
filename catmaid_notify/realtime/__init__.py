"""The ASGI server's side: sockets, their groups in the channel layer, and the duties of the hub."""
