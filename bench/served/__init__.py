"""The site that the servers of the bench serve, once with each of the applications that are compared."""
