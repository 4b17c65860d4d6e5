"""OpenAI's embeddings in an Azure resource."""

from __future__ import annotations

from typing import Any, ClassVar

import openai
from openai import AsyncAzureOpenAI, AzureOpenAI

from mem0.embeddings.openai import OpenAIEmbedding, OpenAIEmbeddingConfig
from mem0.wire.azure import AzureConnection
from mem0.wire.sdk import Line


class AzureOpenAIEmbeddingConfig(AzureConnection, OpenAIEmbeddingConfig):
    """Options of :class:`AzureOpenAIEmbedding`."""

    variables: ClassVar[str] = "EMBEDDING_AZURE_"


class AzureOpenAIEmbedding(OpenAIEmbedding):
    """Embeds text with a deployment of Azure OpenAI; see :class:`~mem0.embeddings.openai.OpenAIEmbedding`."""

    options: ClassVar[type[OpenAIEmbeddingConfig]] = AzureOpenAIEmbeddingConfig

    def _connected(self) -> Line[Any]:
        return Line(self.config, openai, AzureOpenAI, lambda: AsyncAzureOpenAI)
