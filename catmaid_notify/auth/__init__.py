"""Who has opened a socket or sent a request: sessions, users, origins."""
