"""What a vendor's refusal means and what helps: one wording for every vendor, whatever SDK reports it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from mem0.exceptions import ClosedError, EmbeddingError, ProviderError, RerankError, retryable_status
from mem0.text import without_login
from mem0.wire.retries import seconds_asked

# How servers say that a text is longer than the model takes: OpenAI and vLLM, llama.cpp (whose 500 no waiting helps)
# and Ollama, Text Embeddings Inference, Anthropic, Gemini.
_TOO_LONG = re.compile(
    r"maximum (?:context|input) length|(?:exceeds|larger than) the (?:\w+ )?context (?:length|size|window)"
    r"|too large to process|must have less than \d+ tokens|prompt is too long|exceeds the maximum number of tokens",
    re.IGNORECASE,
)

# Statuses are told apart below; anything else a server says is quoted up to here.
LONGEST_QUOTE = 500
_MARKUP = re.compile(r"<(?:!doctype|html|head|body)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Vendor:
    """What the library must know of a vendor to say what helps.

    Attributes:
        provider: Its name in a configuration, as ``groq``.
        label: Its name in a message, as ``Groq``.
        key: The variable that holds its key; ``None`` where none is asked for.
        url: The variable that holds the address to ask; ``None`` where none does.
        key_help: What to do about a key that is missing or refused, where that is not ``api_key`` and the variable.
        ending: How an address of its own server ends, for who gives one.
        model: An LLM that the vendor offers today, for who names one that is gone; empty where it serves one's own.
        embedder: The same for embedders.
        offers: What to name instead, where these are empty.
    """

    provider: str
    label: str
    key: str | None
    ending: str
    model: str
    embedder: str = ""
    key_help: str | None = None
    offers: str = "the one that the server has"
    url: str | None = None

    @property
    def credentials(self) -> str:
        """Where its key comes from."""
        if self.key_help is not None:
            return self.key_help
        return "api_key in the config" + (f", or {self.key}" if self.key else "")

    def asked(self, model: str, where: str) -> str:
        """Return who is asked for what, as messages begin.

        Args:
            model: The model that is asked for.
            where: The address, or whatever tells the place; may be empty.
        """
        return f"{self.label} model {model!r}" + (f" at {where}" if where else "")

    def closed(self, where: str) -> ClosedError:
        """Return the error for a provider that is used after it was closed.

        Args:
            where: The address that it asked; may be empty.
        """
        of = f" for {where}" if where else ""
        return ClosedError(f"the provider {self.provider!r}{of} was closed; make a new one")


@dataclass(frozen=True, slots=True)
class Failure:
    """What an SDK's error says, in our terms.

    Attributes:
        said: What the server, or the SDK, said.
        status: The HTTP status, where there was an answer.
        code: The vendor's own code, as ``insufficient_quota``.
        retry_after: What the answer says of when to come again.
        timed_out: Whether no answer came in time.
        unreached: Whether there was no connection, or it broke.
        cause: What to tell in place of the usual, where this vendor has a remedy of its own.
        passing: Whether another try may help although nothing above says so.
    """

    said: str
    status: int | None = None
    code: str | None = None
    retry_after: str | None = None
    timed_out: bool = False
    unreached: bool = False
    cause: str | None = None
    passing: bool = False

    @classmethod
    def unread(cls, vendor: Vendor, option: str = "base_url") -> Failure:
        """Return that of an answer that is none of the vendor's: a gateway's page, or the beginning of one.

        Args:
            vendor: Who was asked.
            option: Where the address comes from.
        """
        cause = f"what came back is not what {vendor.label}'s API answers, or was cut off: check {option}"
        return cls(cause, cause=cause, passing=True)

    @property
    def retryable(self) -> bool:
        """Whether the same call may succeed later."""
        if self.code == "insufficient_quota" or self.too_long:  # no waiting helps
            return False
        return self.timed_out or self.unreached or self.passing or retryable_status(self.status)

    @property
    def too_long(self) -> bool:
        """Whether the text, or the prompt, was longer than the model takes."""
        is_said = self.status in (400, 413, 422, 500) and _TOO_LONG.search(self.said)
        return self.code == "context_length_exceeded" or bool(is_said)

    def told(self, kind: type[ProviderError], vendor: Vendor, model: str, where: str) -> ProviderError:
        """Return the error of ours.

        Args:
            kind: Which of ours.
            vendor: Who was asked.
            model: The model that was asked for.
            where: The address, or whatever tells the place.
        """
        cause = self.cause or self._usual_cause(kind, vendor, model)
        left = "" if issubclass(kind, RerankError) else "; nothing was stored"  # where nothing was to be
        return kind(
            f"{vendor.asked(model, where)}: {cause}{left}",
            status=self.status,
            retryable=self.retryable,
        )

    def _usual_cause(self, kind: type[ProviderError], vendor: Vendor, model: str) -> str:
        embeds = issubclass(kind, EmbeddingError)
        status = self.status
        said = self.said[:LONGEST_QUOTE]
        if status == 401:
            return f"401, the key was refused: check {vendor.credentials}"
        if status == 403:
            return f"403, this key may not use it: check the key's project and permissions, or the country ({said})"
        if status == 404:
            ending = f" ({vendor.ending})" if vendor.ending else ""
            return (
                f"404, there is no model {model!r} for this key, or base_url does not end where the API begins"
                f"{ending}: name {_one_of(vendor, vendor.embedder if embeds else vendor.model)}"
            )
        if self.code == "insufficient_quota":
            return "429, the quota is used up: check plan and billing"
        if status == 429:
            when = f"after {self.retry_after} s" if seconds_asked(self.retry_after) > 0 else "later"
            return f"429, too many requests: try again {when}{in_brackets(said)}"
        if self.timed_out:
            return "no answer within the time-out: try again, or raise timeout in the config"
        if self.unreached:
            return f"no connection ({said}): check the network and base_url, then try again"
        if self.too_long:
            option, what = ("max_input_bytes", "a text") if embeds else ("max_llm_chars", "the prompt")
            if issubclass(kind, RerankError):
                option, what = "max_tokens_per_doc", "a memory"
            remedy = f"lower {option}, or use a model with a larger window"
            return f"{status}, {what} is too long for this model{in_brackets(said)}: {remedy}"
        if status == 501:
            return f"501, the server does not do this: check how it was started, and base_url{in_brackets(said)}"
        if status is not None and status >= 500:
            return f"{status}, the server failed: try again later{in_brackets(said)}"
        if status is not None:
            return f"{status}, the request was refused: {said}"
        return said


def in_brackets(said: str) -> str:
    """Return what a server said, unless that is a page of HTML, as gateways answer."""
    return "" if not said or _MARKUP.search(said) else f" ({said})"


def _one_of(vendor: Vendor, model: str) -> str:
    return f"one from the vendor's list of models, such as {model!r}" if model else vendor.offers


# What a text says often enough by itself is not looked for in it.
_SHORTEST_SECRET = 6
_CREDENTIALS = re.compile(
    r"\b(bearer|basic|token)\s+(?!(?:authenti|authori|embedding|credential|sequence|position)\w*\b)[\w.~+/=-]{8,}",
    re.IGNORECASE,
)


def hidden(text: str, secrets: Iterable[str | None]) -> str:
    """Return a text without the secrets that a server may repeat."""
    for secret in secrets:
        whole = (secret or "").strip()  # a line break at its end is quoted otherwise
        for part in (whole, whole.rpartition(" ")[2]):  # of "Bearer x" the x too
            if len(part) >= _SHORTEST_SECRET:
                text = text.replace(part, "***")
    return _CREDENTIALS.sub(r"\1 ***", text)


def shown_cause(error: Exception, hide: Callable[[str], str]) -> Exception | None:
    """Return an error as the cause of ours; ``None`` where it, or what it came of in turn, repeats a secret.

    Args:
        error: The error.
        hide: Takes the secrets out of a text.
    """
    return None if any(without_login(hide(str(link))) != str(link) for link in chain(error)) else error


def chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error, and what it came of, as a traceback shows them."""
    link: BaseException | None = error
    while link is not None:
        yield link
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
