"""Where :class:`~mem0.configs.base.VectorStoreConfig` was published too."""

from mem0.configs.base import VectorStoreConfig

__all__ = ["VectorStoreConfig"]
