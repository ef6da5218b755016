"""The checks of unkey.py, one module a noun."""
