"""Who says a text, and whom a question is about."""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from mem0.text import words

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# "Caroline: I went …": who speaks, as transcripts and many agents write it.
_SPEAKER = re.compile(r"\s*([^\s:：][^:：\n]{0,40})[:：]\s")

_FIRST_PERSON = re.compile(
    r"\b(?:i|me|my|mine|myself|ich|mir|mich|meine?[mnrs]?|je|moi|mon|mes|yo|mis?|conmigo|eu|meus?|minhas?|io|mio|miei"
    r"|ik|mij|mijn|나|나[는의를도]|내|내가|저|저[는의를도]|제가)\b|\bj['’]|我|私[はがのもをにと]|[僕俺]|わたし|ผม|ฉัน",
    re.IGNORECASE,
)

_LAYOUT = struct.Struct("<II?")


class Traits(NamedTuple):
    """What is noted of a memory's text.

    Attributes:
        speaker: Hashes of the first two search terms of the speaker's name, 0 where there is none.
        by_user: Whether the user said it.
    """

    speaker: tuple[int, int]
    by_user: bool

    @classmethod
    def of(cls, payload: Mapping[str, Any]) -> Traits:
        """Return the traits of a memory."""
        text = payload.get("data")
        text = text if isinstance(text, str) else ""
        name = payload.get("actor_id")
        named = _SPEAKER.match(text)
        hashes = _hashes(named[1] if named else name if isinstance(name, str) else "")
        return cls(hashes, payload.get("role") == "user")

    def to_bytes(self) -> bytes:
        """Return them as :meth:`from_bytes` reads them."""
        return _LAYOUT.pack(*self.speaker, self.by_user)

    @classmethod
    def from_bytes(cls, stored: bytes) -> Traits:
        """Read what :meth:`to_bytes` wrote."""
        first, second, by_user = _LAYOUT.unpack(stored)
        return cls((first, second), by_user)


class About(NamedTuple):
    """Whom and which time a question is about.

    Attributes:
        terms: Hashes of all its search terms; a speaker's name may be among them.
        first_person: Whether it is about whoever asks.
        periods: The periods it speaks of, as half-open spans of Unix seconds.
    """

    terms: frozenset[int]
    first_person: bool
    periods: Sequence[tuple[float, float]]

    @classmethod
    def of(cls, question: str, periods: Sequence[tuple[float, float]] = ()) -> About:
        """Return what a question is about."""
        return cls(frozenset(words(question)), _FIRST_PERSON.search(question) is not None, periods)

    def speaker_leg(self, speakers: NDArray[np.uint32], by_user: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Return 1 for what was said by whom a question names, or by the user where it says "I"; else 0.

        Args:
            speakers: Hashes of the speakers' names, ``[rows, 2]``.
            by_user: Whether the user said it.
        """
        import numpy as np

        named = np.isin(speakers, [*self.terms, 0]).all(axis=1) & (speakers[:, 0] != 0)
        leg: NDArray[np.float32] = (named | by_user if self.first_person else named).astype(np.float32)
        return leg

    def time_leg(self, created: NDArray[np.float64]) -> NDArray[np.float32] | None:
        """Return 1 for what was said in a period that the question speaks of; ``None`` where it speaks of none."""
        import numpy as np

        if not self.periods:
            return None
        inside = np.zeros(len(created), dtype=bool)
        for start, end in self.periods:
            inside |= (created >= start) & (created < end)
        return inside.astype(np.float32)


@lru_cache(maxsize=1024)
def _hashes(name: str) -> tuple[int, int]:
    first, second, *_ = [*words(name), 0, 0]
    return first, second
