"""The inbox of a user: recipients, and the state that pages compare themselves with."""
