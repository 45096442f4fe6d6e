"""The channel layers side by side: ours, channels_rabbitmq, and both of channels_redis."""
