"""The channel layers: what the specification asks of any of them, and what ours must not repeat of its forerunner."""
