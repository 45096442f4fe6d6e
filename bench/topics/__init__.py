"""Benchmark of topics: one topic with many followers, many topics with one each, many topics on one socket."""
