"""Authentication of sockets and requests: sign-ins, sessions, users, origins."""
