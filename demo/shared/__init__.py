"""Examples for topics: a sheet that several people edit, and a counter on two pages."""
