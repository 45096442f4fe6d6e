"""What following costs a server: one topic for many, many topics for one each, many topics on one socket."""
