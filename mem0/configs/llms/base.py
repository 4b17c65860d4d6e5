"""What every LLM can be told; a provider's own options stand on it, in the provider's file."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from mem0.configs.options import OpenOptions


class BaseLlmConfig(OpenOptions):
    """Options of any LLM; what only some know, such as ``api_key``, may stand beside them."""

    #: Published keys that have no place here, and what to do instead.
    hints: ClassVar[dict[str, str]] = {
        "openrouter_base_url": "name the provider 'openrouter', and base_url where it is another",
        "reasoning_effort": "this vendor's name for it goes into model_kwargs",
        "response_callback": "the library calls nobody back; leave it out",
        "app_name": "on provider 'openrouter' give headers={'X-Title': ...}",
        "site_url": "on provider 'openrouter' give headers={'HTTP-Referer': ...}",
        "models": "on provider 'openrouter' give model_kwargs={'extra_body': {'models': [...]}}",
        "route": "on provider 'openrouter' give model_kwargs={'extra_body': {'route': ...}}",
    }

    #: Published keys that change nothing here, and why.
    ignored: ClassVar[dict[str, str]] = {
        "is_reasoning_model": "what a model does not take is learned from its answer",
        "lmstudio_response_format": "JSON is asked for by the library, and a server that has no such mode is noticed",
        "top_k": "it is no part of this protocol; a server that knows it takes model_kwargs={'extra_body': {'top_k': "
        "...}}",
    }

    model: str | None = Field(default=None, min_length=1, description="Name of the model. Default: the provider's.")
    temperature: float | None = Field(
        default=0.0, ge=0, description="How freely it chooses its words; `None` leaves that to the provider."
    )
    max_tokens: int | None = Field(
        default=3000, ge=1, description="Length of a reply, in tokens; `None` leaves that to the provider."
    )
    top_p: float | None = Field(
        default=1.0,
        gt=0,
        le=1,
        description="Share of probable tokens it chooses from; `None` leaves that to the provider.",
    )
    enable_vision: bool = Field(default=False, description="Have pictures in messages described by this LLM.")
    vision_details: Literal["auto", "low", "high"] = Field(
        default="auto", description="How closely it looks at a picture."
    )
