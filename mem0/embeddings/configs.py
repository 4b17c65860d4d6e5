"""Where :class:`~mem0.configs.base.EmbedderConfig` was published too."""

from mem0.configs.base import EmbedderConfig

__all__ = ["EmbedderConfig"]
