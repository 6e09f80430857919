"""Reviewing: a human looks at what the network staged, and corrects it."""
