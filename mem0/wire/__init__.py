"""Protocols that more than one room speaks; imported with the providers that use them."""
