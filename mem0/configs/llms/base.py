"""What every LLM can be told; a provider's own options stand on it, in the provider's file."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class BaseLlmConfig(BaseModel):
    """Options of any LLM."""

    # The published name `model_kwargs` is not pydantic's to protect, as versions before 2.10 would.
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, protected_namespaces=())

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
