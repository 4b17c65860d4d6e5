"""The service on loopback, and clients for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from driven import BOTH, Driven
from hosted_server import KEY, HostedServer


@pytest.fixture(autouse=True)
def _no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MEM0_API_KEY", raising=False)


@pytest.fixture
def server() -> Iterator[HostedServer]:
    with HostedServer() as server:
        yield server


@pytest.fixture(params=BOTH)
def made(request: pytest.FixtureRequest, server: HostedServer) -> Iterator[Callable[..., Driven]]:
    """Make a client of either kind for the server."""
    drivers = []

    def make(**options: Any) -> Driven:
        driver = Driven(request.param, **{"api_key": KEY, "host": server.url, "timeout": 20, **options})
        drivers.append(driver)
        return driver

    yield make
    for driver in drivers:
        driver.close()
        driver.loop.close()
