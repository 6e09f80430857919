"""A fold from its first pass to its test: here, or several at the same time on any machines."""
