"""What any embedder can be told; a provider's own options are in the provider's file."""

from __future__ import annotations

from pydantic import Field

from mem0.configs.options import OpenOptions


class BaseEmbedderConfig(OpenOptions):
    """Options of any embedder; what only some know, such as ``api_key``, may stand beside them."""

    model: str | None = Field(default=None, min_length=1, description="Name of the model. Default: the provider's.")
    embedding_dims: int | None = Field(default=None, ge=1, description="Size of the vectors. Default: the model's.")
