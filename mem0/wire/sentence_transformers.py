"""Models of sentence-transformers: how they are named, loaded, used and let go of.

The embedder and the reranker share this; each hands over its own class of the library.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from mem0.exceptions import ClosedError, ConfigError
from mem0.wire.connection import with_older_names

ModelName = Annotated[
    str,
    Field(
        min_length=1,
        description="Name of the model on the hub, or the path of a local folder. Older name: `model_name`.",
    ),
]


class LocalModelConfig(BaseModel):
    """Options of whatever runs a model of sentence-transformers."""

    # The published name `model_kwargs` is not pydantic's to protect, as versions before 2.10 would.
    model_config = ConfigDict(extra="forbid", protected_namespaces=())

    model: ModelName
    batch_size: int = Field(default=32, ge=1, description="How many texts go through the model at once.")
    device: str | None = Field(
        default=None, description="Where it runs: `cpu`, `cuda`, `mps`. Default: the best there is."
    )
    model_kwargs: dict[str, Any] = Field(
        default_factory=dict,
        repr=False,  # a token may stand in it
        description="Further arguments of the class of sentence-transformers, such as `local_files_only`, `revision`.",
    )

    @model_validator(mode="before")
    @classmethod
    def _older_names(cls, values: Any) -> Any:
        return with_older_names(values, {"model_name": "model"})


class LocalModel:
    """A loaded model; threads take turns.

    Args:
        kind: The class of sentence-transformers.
        options: Which model, and how it is loaded.
        owner: Who uses it, as messages name it.
        more: Further arguments of the class.

    Raises:
        ConfigError: The model cannot be had.
    """

    def __init__(self, kind: Callable[..., Any], options: LocalModelConfig, owner: str, **more: Any) -> None:
        self._owner = owner
        self._lock = threading.Lock()
        given = {**options.model_kwargs, **more}
        if options.device is not None:
            given["device"] = options.device
        try:
            self._model = kind(options.model, **given)
        except Exception as error:
            raise ConfigError(
                f"{owner}: model {options.model!r} cannot be had ({type(error).__name__}: {error}); where the hub "
                "cannot be reached, give the path of a folder that holds the model"
            ) from error

    @contextmanager
    def alone(self) -> Iterator[Any]:
        """Lend the model to one thread: its tokenizer refuses to be used by two at once.

        Raises:
            ClosedError: It was closed.
        """
        with self._lock:
            if self._model is None:
                raise ClosedError(f"the {self._owner} was closed; make a new one")
            yield self._model

    def close(self) -> None:
        """Let go of the model; a second time does nothing."""
        self._model = None
