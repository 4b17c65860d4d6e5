"""Azure OpenAI: OpenAI's protocol behind deployments, with keys or Entra ID tokens of its own.

Where an option is not given, ``LLM_AZURE_OPENAI_API_KEY``, ``LLM_AZURE_ENDPOINT``, ``LLM_AZURE_DEPLOYMENT`` and
``LLM_AZURE_API_VERSION`` count, which are published (``EMBEDDING_AZURE_...`` for an embedder); then what the SDK reads:
``AZURE_OPENAI_API_KEY``, ``AZURE_OPENAI_AD_TOKEN``, ``AZURE_OPENAI_ENDPOINT`` and ``OPENAI_API_VERSION``.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from pydantic import Field, PrivateAttr, model_validator

from mem0.exceptions import ConfigError
from mem0.wire.connection import Secret, check_address, with_older_names
from mem0.wire.failures import Vendor
from mem0.wire.openai import OpenAIConnection

AZURE = Vendor(
    "azure_openai",
    "Azure OpenAI",
    key="AZURE_OPENAI_API_KEY",
    ending="",
    model="",
    offers="the deployment that your resource has",
)

# https://learn.microsoft.com/azure/ai-services/openai/api-version-deprecation: the latest that is not a preview.
_API_VERSION = "2024-10-21"

_OLDER_NAMES = {
    "azure_openai_base_url": "azure_endpoint",
    "base_url": "azure_endpoint",
    "default_headers": "headers",
}


# What ends the names of the published variables.
_VARIABLES = {
    "api_key": "OPENAI_API_KEY",
    "api_version": "API_VERSION",
    "azure_deployment": "DEPLOYMENT",
    "azure_endpoint": "ENDPOINT",
}


class AzureConnection(OpenAIConnection):
    """Options of whatever talks to Azure OpenAI; the published ``azure_kwargs`` may hold any of them."""

    vendor: ClassVar[Vendor] = AZURE

    azure_endpoint: str | None = Field(
        default=None,
        min_length=1,
        description="Address of the resource, as `https://my-resource.openai.azure.com`. Default: "
        "`LLM_AZURE_ENDPOINT` (of an embedder `EMBEDDING_AZURE_ENDPOINT`), else `AZURE_OPENAI_ENDPOINT`.",
    )
    azure_deployment: str | None = Field(
        default=None,
        min_length=1,
        description="Name of the deployment, where it is not that of the model. Default: "
        "`LLM_AZURE_DEPLOYMENT` (`EMBEDDING_...`).",
    )
    api_version: str | None = Field(
        default=None,
        min_length=1,
        description="Version of the API. Default: `LLM_AZURE_API_VERSION` (`EMBEDDING_...`), else "
        f"`OPENAI_API_VERSION`, else `{_API_VERSION}`.",
    )
    azure_ad_token: Secret | None = Field(
        default=None, description="An Entra ID token in place of a key. Default: `AZURE_OPENAI_AD_TOKEN`."
    )
    azure_ad_token_provider: Callable[[], str] | None = Field(
        default=None,
        repr=False,
        description="Called for a token before each request, as `azure.identity.get_bearer_token_provider` makes one.",
    )

    #: What the published variables of these options begin with.
    variables: ClassVar[str]

    _last_token: str | None = PrivateAttr(default=None)

    @model_validator(mode="before")
    @classmethod
    def _unpacked(cls, values: Any) -> Any:
        if not isinstance(values, Mapping):
            return values
        values = {**values}
        inner = values.pop("azure_kwargs", None)
        if isinstance(inner, Mapping):
            for name, value in inner.items():
                if value not in (None, "") and values.get(name) is None:
                    values[name] = value
        values = with_older_names(values, _OLDER_NAMES)
        has_token = any(values.get(name) for name in ("azure_ad_token", "azure_ad_token_provider"))
        for name, variable in _VARIABLES.items():
            found = os.environ.get(cls.variables + variable)
            if found and values.get(name) is None and not (name == "api_key" and has_token):
                values[name] = found
        return values

    def arguments(self) -> dict[str, Any]:
        endpoint = self.address()
        if not endpoint:
            raise ConfigError(
                "provider 'azure_openai': azure_endpoint is missing: set AZURE_OPENAI_ENDPOINT, or give it in the "
                "config, as https://my-resource.openai.azure.com"
            )
        try:
            check_address(endpoint)
            if re.search("/openai/(deployments|v1)", endpoint):  # the SDK would append it once more
                raise ValueError("it goes on behind the resource; cut it off before /openai")
        except ValueError as error:
            places = f"azure_endpoint, {self.variables}ENDPOINT or AZURE_OPENAI_ENDPOINT"
            raise ConfigError(f"provider 'azure_openai': {places}: {error}") from error
        given = super().arguments()
        given["azure_endpoint"] = endpoint
        given["api_version"] = self.api_version or os.environ.get("OPENAI_API_VERSION") or _API_VERSION
        if self.azure_deployment is not None:
            given["azure_deployment"] = self.azure_deployment
        if self.azure_ad_token is not None:
            given["azure_ad_token"] = self.azure_ad_token.get_secret_value()
        if self.azure_ad_token_provider is not None:
            given["azure_ad_token_provider"] = self._remembered
        return given

    def for_asyncio(self, given: dict[str, Any]) -> dict[str, Any]:
        async def token() -> str:
            return await asyncio.to_thread(self._remembered)  # it may ask over the network

        return given | {"azure_ad_token_provider": token} if "azure_ad_token_provider" in given else given

    def _remembered(self) -> str:
        """Return a token of the caller's, and remember it as what must not be told."""
        assert self.azure_ad_token_provider is not None
        self._last_token = self.azure_ad_token_provider()
        return self._last_token

    def address(self) -> str | None:
        return self.azure_endpoint or os.environ.get("AZURE_OPENAI_ENDPOINT")

    def secrets(self) -> list[str]:
        token = self.azure_ad_token
        given = os.environ.get("AZURE_OPENAI_AD_TOKEN") if token is None else token.get_secret_value()
        return [*super().secrets(), *(secret for secret in (given, self._last_token) if secret)]
