"""Diagnosis of a running site for ``manage.py notify_check``, from the settings outwards to the proxy.

Each module tests one part of the site. A step is a function that yields findings; `plan` puts the steps in order.
"""
