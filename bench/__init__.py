"""Benchmarks of this project and its peers. Within one run, the contestants take turns."""
