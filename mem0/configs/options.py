"""Options of providers: what is taken for them, and how a mistake in them is told."""

from __future__ import annotations

import difflib
import logging
import re
import typing
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

import pydantic
from pydantic import BaseModel, ConfigDict

from mem0.exceptions import ConfigError

Model = TypeVar("Model", bound=BaseModel)

logger = logging.getLogger("mem0.configs")

# An empty one is no way to say "as usual": memories would go to another place than was meant.
_PLACE = "path"

# The keys of a part's own configuration.
_OF_A_PART = ["config", "provider"]

# Options of some provider that published configurations hold, unset, for every one.
_OF_ANOTHER = re.compile(
    r"\w+_base_url|aws_\w+|azure_kwargs|http_client_proxies|memory_(?:add|search|update)_embedding_type|model_kwargs"
    r"|output_dimensionality|reasoning_effort|top_k|vertex_credentials_json|google_\w+"
)


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


def options_from(kind: type[Model], config: Any, more: Mapping[str, Any], where: str) -> Model:
    """Return a provider's options, however they were given.

    Args:
        kind: Their class.
        config: An object of it or of a class it stands on, a dict, or nothing.
        more: The same as keywords; they win.
        where: What to call them in an error.

    Raises:
        ConfigError: They are something else, or an option is unknown or unusable.
    """
    given = {} if config is None else config
    if isinstance(config, BaseModel):
        # Not with `model_dump`: what an option holds may be a pydantic model too, such as LangChain's, and stays one.
        # Before pydantic 2.8 the fields that were set are without what was assigned later.
        names = {*config.model_fields_set, *(config.model_extra or ())}
        given = {name: getattr(config, name) for name in names}
    if not isinstance(given, Mapping):
        raise ConfigError(f"{where}: expected options, a dict, or nothing, not {type(config).__name__}")
    return validated(kind, {**given, **more}, where)


def validated(model: type[Model], values: Mapping[str, Any], where: str) -> Model:
    """Return a model made of values, with mistakes told in our words.

    Args:
        model: The pydantic model.
        values: What the user gave.
        where: What to call it in the error, such as ``config['embedder']['config']``.

    Raises:
        ConfigError: Naming the field, the value (never a secret), the cause and the remedy.
    """
    values = {name: value for name, value in values.items() if _says_something(model, name, value, where)}
    try:
        return model.model_validate(values)
    except pydantic.ValidationError as error:
        raise told(error, model, where) from None  # the original repeats values, secrets among them


def _says_something(model: type[BaseModel], name: str, value: object, where: str) -> bool:
    """Tell whether an option shall be looked at; for "as usual" many write ``None``, or a text without any."""
    field = model.model_fields.get(name)
    if field is not None:
        takes_none = field.annotation in (Any, type(None)) or type(None) in typing.get_args(field.annotation)
        if value is None:
            return takes_none  # it may have a meaning of its own
        return value != "" or not takes_none or name == _PLACE
    if model.model_config.get("extra") != "forbid":
        return True
    # It will be refused, unless it is a published key: one that is unset or switched off, or that changes nothing.
    is_unset = value is None or value == ""
    if name in getattr(model, "hints", {}):
        return not is_unset and value is not False
    reason = getattr(model, "ignored", {}).get(name)
    if reason is None:
        return not is_unset or _OF_ANOTHER.fullmatch(name) is None
    if not is_unset and value is not False:
        logger.warning("%s[%r] changes nothing: %s", where, name, reason)
    return False


def told(error: pydantic.ValidationError, model: type[BaseModel], where: str) -> ConfigError:
    """Return pydantic's error in our words: field, value (never a secret), cause and remedy."""
    return ConfigError("; ".join(_problem(model, problem, where) for problem in error.errors(include_url=False)))


def _problem(model: type[BaseModel], problem: Mapping[str, Any], where: str) -> str:
    # Of a field that takes several types, the place says also which of them was tried, in pydantic's words.
    location = [part for part in problem["loc"] if not re.search(r"[\[(]", str(part))]
    field = where + "".join(f"[{part!r}]" for part in location)
    if problem["type"] == "extra_forbidden":
        names = [*model.model_fields] if len(location) == 1 else _OF_A_PART
        beside = getattr(model, "beside", ())
        if location[-1] in beside:
            return f"{field}: this is of a Memory's configuration; leave it out here, each call says it"
        near = difflib.get_close_matches(str(location[-1]), [*names, *beside], n=1, cutoff=0.5)
        hint = getattr(model, "hints", {}).get(location[-1])
        if hint is not None:
            return f"{field}: {hint}"
        if near:
            remedy = f"did you mean {near[0]!r}?"
        elif len(location) > 1:
            remedy = "a provider's options go inside its 'config'"
        else:
            remedy = f"there are: {', '.join(sorted(names))}"
        return f"{field}: unknown key; {remedy}"
    if problem["type"] == "missing":
        return f"{field} is missing"
    value = problem.get("input")
    shown = f"={value!r}" if isinstance(value, (int, float, bool, type(None))) else f" (a {type(value).__name__})"
    return f"{field}{shown}: {problem['msg'].removeprefix('Value error, ')}"
