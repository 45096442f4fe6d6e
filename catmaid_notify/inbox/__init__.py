"""Inbox helpers: recipients as primary keys, and the state of an inbox for ETags."""
