"""What ``manage.py notify_check`` does: it walks a site from the inside out and says what is wrong, and how to mend it.

Each module knows one layer of the site; its steps are functions that yield findings. `plan` puts them in order.
"""
