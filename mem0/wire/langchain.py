"""Models of LangChain, which the user has made: what is taken for one, how it is called, what its errors mean.

Nothing of LangChain is imported: a model is an object that has the methods.
"""

from __future__ import annotations

import asyncio
import sys
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pydantic import SecretStr

from mem0.exceptions import Mem0Error, ProviderError, judged
from mem0.parts import has_coroutine
from mem0.text import without_login
from mem0.wire import environment
from mem0.wire.failures import LONGEST_QUOTE, Failure, chain, hidden, shown_cause
from mem0.wire.sdk import code_of, said_of

#: What to do about an option that is given where the model object is made.
OF_THE_MODEL = "it is the model object's own; give it where that is made"

#: Options that other providers have, and what to do about them.
HINTS = dict.fromkeys(
    ("api_key", "base_url", "batch_size", "headers", "http_client_proxies", "max_retries", "model_kwargs", "timeout"),
    OF_THE_MODEL,
)

# What an LLM's or an embedder's name is called by the classes of LangChain's packages.
_NAMES = ("model", "model_name", "model_id")
# What a model is called by one that is wrapped around it: `bind`, `with_retry`; `with_fallbacks`.
_WRAPPED = ("bound", "runnable")

_SECRET_FIELDS = ("key", "token", "secret", "password")

# Libraries that speak HTTP below the models, and what they call a connection that failed.
_LOST = (("httpx", "TransportError"), ("httpx2", "TransportError"), ("aiohttp", "ClientConnectionError"))

_loop: weakref.ref[asyncio.AbstractEventLoop] | None = None


def checked_model(model: Any, method: str, example: str) -> Any:
    """Return a model that has a method.

    Args:
        model: What was given.
        method: The method.
        example: How one is made, for the message.

    Raises:
        ValueError: It is something else; the message does not show it, since keys may stand in it.
    """
    if isinstance(model, type):
        raise ValueError(f"this is the class {model.__name__}; make an object of it, such as {example}")
    if not callable(getattr(model, method, None)):
        raise ValueError(f"an object of LangChain's with {method}() is wanted, such as {example}")
    return model


def name_of(model: Any) -> str | None:
    """Return the name of a model, where it has one."""
    names = (getattr(part, name, None) for part in _layers(model) for name in _NAMES)
    return next((name for name in names if isinstance(name, str) and name.strip()), None)


def named(model: Any) -> str:
    """Return who is asked, as messages begin."""
    name = name_of(model)
    return f"LangChain's {type(model).__name__}" + (f" of model {name!r}" if name else "")


def may_await(model: Any, method: str) -> bool:
    """Tell whether a model's coroutine may be awaited here; where not, its blocking method goes into a thread.

    Models keep connections, which belong to the event loop that made them; some packages (langchain-openai) keep one
    pool for all models of an address, and there is no way common to all to be rid of it.  So the first loop that awaits
    any model has them all.

    Args:
        model: The model.
        method: The coroutine.
    """
    global _loop
    if not has_coroutine(model, method):
        return False
    here = asyncio.get_running_loop()
    if _loop is None:
        _loop = weakref.ref(here)
    return _loop() is here


@contextmanager
def translated(kind: type[ProviderError], model: Any) -> Iterator[None]:
    """Let the errors of a model leave the block as ours.

    Args:
        kind: Which of ours.
        model: The model.
    """
    try:
        yield
    except Mem0Error:
        raise
    except Exception as error:  # noqa: BLE001 - raised as ours
        secrets = list(_secrets(model))
        failure = _failure(error)
        said = without_login(hidden(failure.said, secrets))[:LONGEST_QUOTE]
        remedy = "try again later" if failure.retryable else "key, address and limits are the model object's own"
        raise kind(
            f"{named(model)} failed: {said}; {remedy}; nothing was stored",
            status=failure.status,
            retryable=failure.retryable,
        ) from shown_cause(error, lambda text: hidden(text, secrets))


def _failure(error: Exception) -> Failure:
    """Return what an error says; packages differ in whether they pass on an SDK's error or wrap it."""
    links = list(chain(error))
    status = next((found for link in links if (found := judged(link)[0]) is not None), None)
    lost = tuple(getattr(sys.modules[name], kind) for name, kind in _LOST if name in sys.modules)
    message = said_of(error).get("message") or error
    return Failure(
        said=f"{type(error).__name__}: {message}",
        status=status,
        code=code_of(error),
        unreached=status is None and any(isinstance(link, lost) or judged(link)[1] for link in links),
    )


def _layers(model: Any) -> Iterator[Any]:
    """Yield a model, and what it is wrapped around."""
    while model is not None:
        yield model
        fields = getattr(model, "__dict__", {})
        model = next((fields[name] for name in _WRAPPED if name in fields), None)


def _secrets(model: Any) -> Iterator[str]:
    """Yield what must not be told of a model, as far as its fields say so, and the keys of the environment."""
    # Most packages read theirs there, and some keep it only in the SDK's client.
    yield from environment.keys()
    for layer in _layers(model):
        for name, value in getattr(layer, "__dict__", {}).items():
            if isinstance(value, SecretStr):
                yield value.get_secret_value()
            elif isinstance(value, str) and name.endswith(_SECRET_FIELDS):
                yield value
            elif isinstance(value, Mapping) and "headers" in name:
                yield from (text for text in value.values() if isinstance(text, str))
