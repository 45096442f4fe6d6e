"""A sheet that several people edit, and a counter on two pages: what topics are for."""
