"""What is noted of a memory beside its words and vector, and what a question has to do with it."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from mem0.text import words

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

# "Caroline: I went …": who speaks, as transcripts and many agents write it.
_SPEAKER = re.compile(r"\s*([^\s:：][^:：\n]{0,40})[:：]\s")

_FIRST_PERSON = re.compile(
    r"\b(?:i|me|my|mine|myself|ich|mir|mich|meine?[mnrs]?|je|moi|mon|mes|yo|mis?|conmigo|eu|meus?|minhas?|io|mio|miei"
    r"|ik|mij|mijn|나|나[는의를도]|내|내가|저|저[는의를도]|제가)\b|\bj['’]|我|私[はがのもをにと]|[僕俺]|わたし|ผม|ฉัน",
    re.IGNORECASE,
)

# A text of more characters that ends with a question says other things too: assistants end most of their answers so.
_ONLY_ASKS = 160

# What holds for later requests: rules for the assistant, and the likes and needs of who asks it.
_STANDING = re.compile(
    r"\b(?:always|never|from now on|going forward|in future|whenever|(?:every|each) time|for (?:all|any|every)"
    r"|(?:when|if) (?:i|you|we) (?:ask|make|show|write|give|draft|suggest)"
    r"|any(?:thing|thing else)? you (?:write|draft|send)|please (?:do not|don['’]?t|keep|use|avoid|stick)"
    r"|(?:do not|don['’]?t) (?:suggest|use|give|propose|recommend|want)"
    r"|(?:i|we)(?:['’]d| would)? (?:rather|prefer|like|love|hate|dislike|want|insist)|can['’]?t stand|allerg(?:ic|y)"
    r"|vegan|vegetarian"
    r"|immer|niemals|ab jetzt|von nun an|künftig|in zukunft|jedes ?mal|bitte (?:nur|nie|keine?n?)|am liebsten"
    r"|(?:ich|wir) (?:mag|mögen|bevorzuge|hasse|möchte|vertrage)|allergisch|vegetarisch)\b"
    r"|以后|总是|永远|每次|请(?:不要|别|用|务必)|我(?:更?喜欢|讨厌|不喜欢|不吃|偏好|对.{1,6}过敏)",
    re.IGNORECASE,
)

# What asks for a piece of work, or for advice, rather than for something that was said.
_REQUEST = re.compile(
    r"^\W*(?:(?:please|now|ok|okay|hi|hello|also|bitte)\W+)*(?:(?:can|could|would|will) you|help|write|draft|make|show"
    r"|give|recommend|suggest|plan|create|generate|explain|list|design|prepare|find|build|compose|propose|set up"
    r"|organi[sz]e|work out|calculate|compare|summari[sz]e|translate|teach|walk me|let['’]?s"
    r"|i(?:['’]d| would)? (?:like|need|want)|i['’]?m (?:looking|trying|thinking)"
    r"|(?:what|which|where|how)\b.{0,60}\b(?:should|shall|would you|do i|can i|could i)"
    r"|(?:kannst|könntest|würdest) du|schreib|hilf|mach|zeig|gib|empfiehl|schlag|plane|erstelle|erkläre|nenne"
    r"|(?:was|welche[nrs]?|wie|wo)\b.{0,60}\bsoll(?:te|en)?)\b"
    r"|\bshould i\b|\bany (?:ideas|suggestions|tips|recommendations)\b"
    r"|^(?:请|帮我|帮忙|给我|写|推荐|建议|能不能|可以帮)|我(?:应该|该)",
    re.IGNORECASE,
)

_BY_USER, _ASKS, _STANDS = 1, 2, 4

_LAYOUT = struct.Struct("<IIB")

#: How many bytes :meth:`Traits.to_bytes` returns.
TRAITS_SIZE = _LAYOUT.size


class Traits(NamedTuple):
    """What is noted of a memory's text.

    Attributes:
        speaker: Hashes of the first two search terms of the speaker's name, 0 where there is none.
        by_user: Whether the user said it.
        asks: Whether it is short and ends with a question.
        standing: Whether the user said something in it that holds for later requests: a rule, a preference.
    """

    speaker: tuple[int, int] = (0, 0)
    by_user: bool = False
    asks: bool = False
    standing: bool = False

    @classmethod
    def of(cls, payload: Mapping[str, Any]) -> Traits:
        """Return the traits of a memory."""
        text = payload.get("data")
        text = text if isinstance(text, str) else ""
        name = payload.get("actor_id")
        named = _SPEAKER.match(text)
        hashes = _hashes(named[1] if named else name if isinstance(name, str) else "")
        by_user = payload.get("role") == "user"
        asks = len(text) < _ONLY_ASKS and text.rstrip().endswith(("?", "？"))
        return cls(hashes, by_user, asks, by_user and _STANDING.search(text) is not None)

    @property
    def flags(self) -> int:
        """What is true of it, a bit each."""
        return _BY_USER * self.by_user | _ASKS * self.asks | _STANDS * self.standing

    def to_bytes(self) -> bytes:
        """Return them as :meth:`from_bytes` reads them."""
        return _LAYOUT.pack(*self.speaker, self.flags)

    @classmethod
    def from_bytes(cls, stored: bytes) -> Traits:
        """Read what :meth:`to_bytes` wrote.

        Raises:
            ValueError: It did not write this.
        """
        if len(stored) != _LAYOUT.size:
            raise ValueError(f"traits have {_LAYOUT.size} bytes, not {len(stored)}")
        first, second, flags = _LAYOUT.unpack(stored)
        return cls((first, second), bool(flags & _BY_USER), bool(flags & _ASKS), bool(flags & _STANDS))


class Noted(NamedTuple):
    """The traits of some memories, a column each.

    Attributes:
        speaker: Hashes of the speakers' names, ``[rows, 2]``.
        flags: As in :attr:`Traits.flags`.
        created: When each was said, in Unix seconds.
    """

    speaker: NDArray[np.uint32]
    flags: NDArray[np.uint8]
    created: NDArray[np.float64]

    @classmethod
    def of(cls, traits: Sequence[Traits], created: Sequence[float]) -> Noted:
        """Return the traits of memories as columns."""
        import numpy as np

        return cls(
            np.array([one.speaker for one in traits], dtype=np.uint32).reshape(-1, 2),
            np.array([one.flags for one in traits], dtype=np.uint8),
            np.array(created, dtype=np.float64),
        )


class Fading(NamedTuple):
    """How what was said loses weight with time.

    Attributes:
        now: From when ages are counted, in Unix seconds.
        half_life: At which age half of it is left, in seconds.
    """

    now: float
    half_life: float


class About(NamedTuple):
    """Whom and which time a question is about, and whether it asks for work to be done.

    Attributes:
        terms: Hashes of all its search terms; a speaker's name may be among them.
        first_person: Whether it is about whoever asks.
        request: Whether it asks for a piece of work or for advice.
        periods: The periods it speaks of, as half-open spans of Unix seconds.
        fading: How what was said loses weight with time, if it does.
    """

    terms: frozenset[int]
    first_person: bool
    request: bool
    periods: Sequence[tuple[float, float]] = ()
    fading: Fading | None = None

    @classmethod
    def of(cls, question: str, periods: Sequence[tuple[float, float]] = (), fading: Fading | None = None) -> About:
        """Return what a question is about."""
        return cls(
            frozenset(words(question)),
            _FIRST_PERSON.search(question) is not None,
            _REQUEST.search(question) is not None,
            periods,
            fading,
        )

    def legs(self, noted: Noted) -> dict[str, Floats]:
        """Return what the traits of some memories say of each, 0 to 1, by leg; without those that do not apply."""
        legs: Mapping[str, Callable[[Noted], Floats | None]] = {
            "speaker": self._speaker,
            "time": self._time,
            "asks": self._asks,
            "standing": self._standing,
            "recency": self._recency,
        }
        found = {name: leg(noted) for name, leg in legs.items()}
        return {name: values for name, values in found.items() if values is not None}

    def _speaker(self, noted: Noted) -> Floats:
        """Return 1 for what was said by whom the question names, or by the user where it says "I"."""
        import numpy as np

        known = (noted.speaker == 0) | np.isin(noted.speaker, np.fromiter(self.terms, dtype=np.uint32))
        named: NDArray[np.bool_] = known.all(axis=1) & (noted.speaker[:, 0] != 0)
        if self.first_person:
            named |= noted.flags & _BY_USER != 0
        return named.astype(np.float32)

    def _time(self, noted: Noted) -> Floats | None:
        """Return 1 for what was said in a period that the question speaks of."""
        import numpy as np

        if not self.periods:
            return None
        inside = np.zeros(len(noted.created), dtype=bool)
        for start, end in self.periods:
            inside |= (noted.created >= start) & (noted.created < end)
        return inside.astype(np.float32)

    def _asks(self, noted: Noted) -> Floats:
        """Return 1 for what only asks, and so says little itself."""
        import numpy as np

        leg: Floats = (noted.flags & _ASKS != 0).astype(np.float32)
        return leg

    def _standing(self, noted: Noted) -> Floats | None:
        """Return 1 for rules and preferences that a request is to be done by."""
        import numpy as np

        if not self.request:
            return None
        leg: Floats = (noted.flags & _STANDS != 0).astype(np.float32)
        return leg

    def _recency(self, noted: Noted) -> Floats | None:
        """Return how much is left of each: 1 of what was said now, or is to come; one half after a half-life."""
        import numpy as np

        if self.fading is None:
            return None
        age = np.maximum(self.fading.now - noted.created, 0)
        leg: Floats = np.exp2(-age / self.fading.half_life).astype(np.float32)
        return leg


@lru_cache(maxsize=1024)
def _hashes(name: str) -> tuple[int, int]:
    first, second, *_ = [*words(name), 0, 0]
    return first, second
