"""Providers for mem0-embedded, as an example."""
