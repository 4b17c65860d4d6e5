"""The hosted service, over HTTP: ``MemoryClient`` and ``AsyncMemoryClient`` are in :mod:`mem0.client.main`."""
