"""Options that are for a provider not known yet."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, ConfigDict


class OpenOptions(BaseModel):
    """Options that keep what only some providers know too; who gets them refuses what it does not know.

    A provider's own options, which stand on these, are strict: ``class MyConfig(BaseLlmConfig, extra="forbid")``.
    """

    # The published name `model_kwargs` is not pydantic's to protect, as versions before 2.10 would.
    model_config = ConfigDict(extra="allow", hide_input_in_errors=True, protected_namespaces=())

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        # Keys are among what is not known; that they are there is enough for a log.
        further = self.model_extra or {}
        for name, value in super().__repr_args__():
            yield name, ("..." if name in further else value)
