"""A stream that is staged as it comes; live.py is its command."""
