"""Embedders of Amazon Bedrock: Titan's and Cohere's, through boto3's ``invoke_model``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import boto3
from pydantic import Field

from mem0.embeddings.base import EmbeddingBase, embedder_options
from mem0.exceptions import ConfigError, EmbeddingError
from mem0.text import clean
from mem0.wire.aws import AWSConnection, BedrockRuntime


@dataclass(frozen=True, slots=True)
class _Family:
    """What the models of a family take, from https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters.html.

    Attributes:
        named: What their ids have in them.
        sizes: The sizes their vectors can have, the usual one first.
        longest: How many characters of a text they are sent at most, unless the options say otherwise.
        most_texts: How many texts one request may hold.
        takes: Which of the options that are not every family's they take.
    """

    named: str
    sizes: tuple[int, ...]
    longest: int
    most_texts: int
    takes: tuple[str, ...]


# Titan takes 8,192 tokens and refuses more: 8,000 characters are fewer in every language it knows, which its limit
# of 50,000 characters is not.  Cohere cuts by itself, at 512 tokens (v3, which refuses more than 2,048 characters)
# or 128,000 (v4, where 96 texts of this length stay within what a request may weigh).
_FAMILIES = {
    "titan-v1": _Family("titan-embed-text-v1", (1536,), 8_000, 1, ()),
    "titan-v2": _Family("titan-embed-text-v2", (1024, 512, 256), 8_000, 1, ("normalize",)),
    "cohere-v3": _Family("cohere.embed-", (1024,), 2_048, 96, ("input_type", "truncate")),
    "cohere-v4": _Family("cohere.embed-v4", (1536, 1024, 512, 256), 32_000, 96, ("input_type", "truncate")),
}
# Which end is cut, as Cohere's fourth version calls it.
_V4_ENDS = {"NONE": "NONE", "START": "LEFT", "END": "RIGHT"}

# A text of nothing but spaces is refused; this stands for it.
_NOTHING = "."


class AWSBedrockEmbeddingConfig(AWSConnection):
    """Options of :class:`AWSBedrockEmbedding`."""

    model: str = Field(
        default="amazon.titan-embed-text-v2:0",
        min_length=1,
        description="A model's id, an inference profile's, or an ARN: Titan Text Embeddings 1 and 2, Cohere Embed 3 "
        "and 4.",
    )
    family: Literal["titan-v1", "titan-v2", "cohere-v3", "cohere-v4"] | None = Field(
        default=None, description="Which of them it is, where the model's id does not say so, as an ARN may not."
    )
    embedding_dims: int | None = Field(
        default=None,
        ge=1,
        description="Size of the vectors: Titan 2 makes 1024, 512 or 256, Cohere 4 makes 1536, 1024, 512 or 256. "
        "Default: the first of these.",
    )
    normalize: bool = Field(default=True, description="Whether vectors have length 1. Titan 2 only.")
    input_type: Literal["search_document", "search_query", "classification", "clustering"] = Field(
        default="search_document",
        description="What the vectors are for; questions and memories get the same, so that they can be compared. "
        "Cohere only.",
    )
    truncate: Literal["NONE", "START", "END"] = Field(
        default="END",
        description="Which end Cohere cuts off a text that has more tokens than it takes; `NONE`: it refuses.",
    )
    max_input_chars: int | None = Field(
        default=None,
        ge=1,
        description="Of a longer text only so many characters carry the vector. Default: 8,000 (Titan), 2,048 "
        "(Cohere 3), 32,000 (Cohere 4).",
    )


class AWSBedrockEmbedding(EmbeddingBase):
    """Embeds text with a model on Amazon Bedrock; safe to share between threads.  boto3 cannot be awaited.

    Titan takes one text a request, so a batch is as many requests, one after another; Cohere takes 96.

    Args:
        config: Its options: an object, a dict, or nothing.
        options: The same as keywords, such as ``model=``.

    Raises:
        ConfigError: An option is unknown or unusable, there is no region, or there are no credentials; where boto3
            must ask the network for those (a machine's role), the first call raises it.
    """

    options: ClassVar[type[AWSBedrockEmbeddingConfig]] = AWSBedrockEmbeddingConfig

    model: str
    dims: int

    def __init__(self, config: AWSBedrockEmbeddingConfig | Mapping[str, Any] | None = None, **options: Any) -> None:
        self.config = embedder_options(AWSBedrockEmbeddingConfig, config, options)
        self.model = _without_route(self.config.model)
        self._family = self.config.family or _family_of(self.config.model)
        family = _FAMILIES[self._family]
        _check(self.config, self._family)
        self.dims = self.config.embedding_dims or family.sizes[0]
        self._longest = self.config.max_input_chars or family.longest
        self._most_texts = family.most_texts
        self._runtime = BedrockRuntime(self.config, lambda: boto3)

    def __repr__(self) -> str:
        return f"AWSBedrockEmbedding(model={self.config.model!r}, region={self._runtime.region!r})"

    @property
    def client(self) -> Any:
        """boto3's client."""
        return self._runtime.client

    def embed(self, text: str) -> list[float]:
        return self.embed_batch([text])[0]

    def embed_batch(self, texts: Sequence[str]) -> list[list[float]]:
        vectors: list[list[float]] = []
        for batch in self._batches(texts):
            answer = self._runtime.invoke(EmbeddingError, self.config.model, self._body(batch))
            vectors += self._read(answer, len(batch))
        return vectors

    def was_cut(self, text: str) -> bool:
        return len(text) > self._longest

    def close(self) -> None:
        self._runtime.close()

    def _batches(self, texts: Sequence[str]) -> Iterator[list[str]]:
        prepared = [clean(text)[: self._longest] for text in texts]
        prepared = [text if text.strip() else _NOTHING for text in prepared]
        for start in range(0, len(prepared), self._most_texts):
            yield prepared[start : start + self._most_texts]

    def _body(self, batch: list[str]) -> dict[str, Any]:
        config = self.config
        if self._family == "titan-v1":
            return {"inputText": batch[0]}
        if self._family == "titan-v2":
            return {"inputText": batch[0], "dimensions": self.dims, "normalize": config.normalize}
        body: dict[str, Any] = {"texts": batch, "input_type": config.input_type, "truncate": config.truncate}
        if self._family == "cohere-v4":
            body["truncate"] = _V4_ENDS[config.truncate]
            body |= {"output_dimension": self.dims, "embedding_types": ["float"]}
        return body

    def _read(self, answer: Any, count: int) -> list[list[float]]:
        """Return the vectors of an answer: Titan's one, or Cohere's list, which may be told apart by type."""
        asked = self._runtime.named(self.config.model)
        try:
            found = [answer["embedding"]] if self._family.startswith("titan") else answer["embeddings"]
            if isinstance(found, dict):
                found = found["float"]
            vectors = [[float(number) for number in vector] for vector in found]
        except (ValueError, TypeError, LookupError) as error:
            raise EmbeddingError(
                f"{asked}: it did not answer with vectors; check endpoint_url and family; nothing was stored"
            ) from error
        if len(vectors) != count:
            raise EmbeddingError(f"{asked}: {len(vectors)} vectors for {count} text(s); nothing was stored")
        return vectors


def _without_route(model: str) -> str:
    """Return a model's own id, without the region or the ARN that tell the way to it, where it is in there."""
    found = re.search(r"\b(?:amazon|cohere)\.[\w.:-]+$", model)
    return found[0] if found else model


def _family_of(model: str) -> str:
    # The longer names first: all of Cohere's have the shortest in them.
    for family in sorted(_FAMILIES, key=lambda name: -len(_FAMILIES[name].named)):
        if _FAMILIES[family].named in model:
            return family
    raise ConfigError(
        f"embedder 'aws_bedrock' config['model']={model!r} does not say which request it takes; give family: one of "
        f"{', '.join(_FAMILIES)} (no other embedders of Bedrock are known here)"
    )


def _check(config: AWSBedrockEmbeddingConfig, name: str) -> None:
    """Refuse options that the model would not notice."""
    family = _FAMILIES[name]
    where = "embedder 'aws_bedrock' config"
    if config.embedding_dims not in (None, *family.sizes):
        sizes = ", ".join(map(str, family.sizes))
        raise ConfigError(f"{where}['embedding_dims']={config.embedding_dims}: {name} makes vectors of size {sizes}")
    for option in ("normalize", "input_type", "truncate"):
        if option in config.model_fields_set and option not in family.takes:
            raise ConfigError(f"{where}[{option!r}]: {name} does not take it; leave it out")
