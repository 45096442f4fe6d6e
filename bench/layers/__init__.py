"""Benchmark of channel layers: ours, channels_rabbitmq, and both layers of channels_redis."""
