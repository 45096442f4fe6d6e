"""Helpers that know nothing of the app."""
