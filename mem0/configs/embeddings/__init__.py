"""Options that providers have in common."""
