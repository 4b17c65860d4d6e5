"""Where :class:`~mem0.configs.base.LlmConfig` was published too."""

from mem0.configs.base import LlmConfig

__all__ = ["LlmConfig"]
