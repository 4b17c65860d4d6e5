"""LLMs, one file each; imported when they are named."""
