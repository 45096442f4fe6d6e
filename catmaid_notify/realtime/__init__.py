"""ASGI side of the app: WebSocket consumers, the hub with its background tasks, groups, subscriptions."""
