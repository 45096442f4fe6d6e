"""Measurements of this project beside its peers, made in turns in one run."""
