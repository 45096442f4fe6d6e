"""General helpers, independent of the app."""
