"""OpenAI's protocol, spoken by OpenAI and by many others: how to reach them.

For OpenAI itself the SDK reads ``OPENAI_API_KEY``, ``OPENAI_BASE_URL``, ``OPENAI_ORG_ID`` and ``OPENAI_PROJECT_ID``
where an option is not given.  None of them counts for another vendor.
"""

from __future__ import annotations

import os
from typing import Any, ClassVar

from pydantic import Field

from mem0.wire.connection import Connection, without_key
from mem0.wire.failures import Vendor
from mem0.wire.vendors import VENDORS, Row

OPENAI = Vendor(
    "openai",
    "OpenAI",
    key="OPENAI_API_KEY",
    ending="/v1",
    model="gpt-5-mini",
    embedder="text-embedding-3-small",
    url="OPENAI_BASE_URL",
)


class OpenAIConnection(Connection):
    """Options of whatever talks to OpenAI, or to a server that speaks as it does."""

    vendor: ClassVar[Vendor] = OPENAI

    organization: str | None = Field(default=None, description="The organisation that pays. Default: `OPENAI_ORG_ID`.")
    project: str | None = Field(default=None, description="The project that pays. Default: `OPENAI_PROJECT_ID`.")

    def arguments(self) -> dict[str, Any]:
        given = super().arguments()
        for name in ("organization", "project"):
            if getattr(self, name) is not None:
                given[name] = getattr(self, name)
        row = self.row()
        if row is not None:
            key = given.get("api_key") or os.environ.get(row.key or "")
            if not key and row.asks_for_key:
                raise without_key(row.vendor)
            given["api_key"] = key or "none"  # the SDK wants one; a server that asks for none looks at none
            given.setdefault("base_url", self.address())
        return given

    def settle(self, client: Any) -> None:
        super().settle(client)
        if self.vendor is not OPENAI:
            # The SDK has taken them from OpenAI's variables, and they are nobody else's business.
            client.organization, client.project = self.organization, self.project

    def address(self) -> str | None:
        row = self.row()
        return super().address() or (None if row is None else row.base_url)

    def is_elsewhere(self) -> bool:
        """Tell whether another server than the vendor's own is asked, where models may have any name."""
        return bool(self.base_url or os.environ.get(self.vendor.url or ""))

    def row(self) -> Row | None:
        """Return the vendor's row in the table; OpenAI itself has none."""
        return VENDORS.get(self.vendor.provider)


def of_vendor(base: type[Any], row: Row, module: str, **attributes: Any) -> type[Any]:
    """Return a provider for a row of the table.

    Args:
        base: OpenAI's LLM or embedder.
        row: The vendor.
        module: Where the class is found under the vendor's name.
        attributes: What the provider has otherwise than OpenAI's.
    """
    label = "".join(filter(str.isalnum, row.label))
    name = f"{label}{base.__name__.removeprefix('OpenAI')}"
    about = f"{row.label}, which speaks as OpenAI's API does; see :class:`{base.__name__}`."
    common = {"__module__": module}
    options = type(f"{name}Config", (base.options,), {"vendor": row.vendor, "__doc__": f"Options of {name}.", **common})
    return type(name, (base,), {"__doc__": about, "options": options, **common, **attributes})
