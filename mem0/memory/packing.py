"""From memories that were found to a text for a prompt: which of them, in which order, within how many tokens.

Memories in, text out: nothing here touches the world but the counter of tokens that it is given.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from typing import NamedTuple

from mem0.exceptions import ValidationError
from mem0.languages import UNSPACED
from mem0.memory import inputs
from mem0.text import clean, same_text
from mem0.times import moment
from mem0.types import Context, MemoryDict, MemoryList

Counter = Callable[[str], int]

# Controls, which a terminal or a model might read as something else than text, and those that turn its direction, by
# which it could be shown in another order than it has; all white space is made one space too.
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")

# What would end a speaker's name before its end.
_COLON = re.compile(r"[:：](?= )")

# For a class: characters that are no letters of a word, as of scripts that are written without spaces, and emoji.
_ALONE = rf"{UNSPACED}\U00010000-\U0010ffff"

# What the estimate counts as a whole token, and as half of one; all else is Latin letters and white space.
_WHOLE = re.compile(rf"[{_ALONE}]+")
_HALF = re.compile(rf"[^A-Za-z\u00c0-\u024f\s{_ALONE}]+")

# What a text is compared by: a word, or any other character.
_PIECE = re.compile(rf"[^\W_{_ALONE}]+|.", re.DOTALL)

# A word, or a character of a script that is written without spaces.
_WORD = re.compile(rf"[{UNSPACED}]|[^\s{UNSPACED}]+")

# What a line costs alone may be this much more than what it adds to others: a counter rounds up, or counts signs
# that stand around every text.
_NEARLY = 4

# So many of the best are taken before length counts, and lines up to this part of the budget are all short.
_FIRST = 3
_SHORT = 1 / 16

_LONG_AGO = datetime.min.replace(tzinfo=timezone.utc)


def estimated_tokens(text: str) -> int:
    """Return about how many tokens a text has, where nobody says what counts them.

    Four Latin letters or spaces count as one token; two digits, signs, or letters of another alphabet; and each
    character of a script without spaces (Chinese, Japanese, Thai, also Korean), and each emoji.  Rounded up.
    """
    quarters = len(text) + 3 * sum(map(len, _WHOLE.findall(text))) + sum(map(len, _HALF.findall(text)))
    return -(-quarters // 4)


def packed(found: MemoryList[MemoryDict], max_tokens: int, count_tokens: Counter) -> Context:
    """Pack memories into a text.

    The best are taken first, then those that give much for little.  One that does not fit any more is passed over; so
    is one that says what is there already.  Where not even one fits, the best that can be cut is cut.

    Args:
        found: The memories, best first.
        max_tokens: How many tokens the text has at most.
        count_tokens: Returns how many a text has; what it raises is the caller's own.
    """
    lines = [line for line in map(_line, found) if line.text]
    parcel = _Parcel(max_tokens, count_tokens)
    costs = [_counted(count_tokens, f"\n{line}") for line in lines]
    for place in _offered(costs, max_tokens * _SHORT):
        parcel.offer(lines[place], costs[place])
    tokens = parcel.close()
    kept = parcel.lines
    for line in () if kept else lines:
        cut = _beginning(line, max_tokens, count_tokens)
        if cut is not None:
            kept, tokens = [cut], _counted(count_tokens, str(cut))
            break
    kept = _in_order(kept)
    memories = MemoryList((line.memory for line in kept), total=found.total)
    return Context(_text(kept), memories, tokens=tokens, left_out=len(found) - len(kept))


def _offered(costs: Sequence[int], short: float) -> list[int]:
    """Return the order in which lines are offered: their places by rank, from what each costs.

    How often the line at a place is what was asked for falls about as one divided by the place.  So a long line
    that is only fairly good would push out several short ones, which together are worth more.  Among short ones
    the rank decides, or "Yes, of course!" would come before what says something.
    """
    places = range(len(costs))
    return [*places[:_FIRST], *sorted(places[_FIRST:], key=lambda place: (place + 1) * max(costs[place], short))]


class _Line(NamedTuple):
    """A memory as a line.

    Attributes:
        memory: The memory.
        when: When it was said; ``None`` where that cannot be read.
        speaker: Who said it, of a verbatim turn.
        text: What was said, without any line break.
        said: The form in which two texts that say the same are equal.
        pieces: The same with a mark around each word, so that one text holds another only as whole words: "tea" is
            not in "team".
    """

    memory: MemoryDict
    when: datetime | None
    speaker: str
    text: str
    said: str
    pieces: str

    def __str__(self) -> str:
        # Whatever stands in the text, date and speaker come before it, and a line without a date says so.
        day = "undated" if self.when is None else self.when.date().isoformat()
        return f"- {day}, {self.speaker}: {self.text}" if self.speaker else f"- {day}: {self.text}"


def _line(memory: MemoryDict) -> _Line:
    text = _on_one_line(memory.get("memory"))
    speaker = ""
    if memory.get("role"):
        speaker = _COLON.sub("", _on_one_line(memory.get("actor_id") or memory["role"]))
        opening = f"{speaker}:"
        if text[: len(opening)].casefold() == opening.casefold():
            text = text[len(opening) :].strip()  # it stands there once
    try:
        when = moment("created_at", memory.get("created_at"))
    except ValidationError:
        when = None  # another program wrote it
    said = same_text(text)
    return _Line(memory, when, speaker, text, said, "\0".join(["", *_PIECE.findall(said), ""]))


def _on_one_line(value: object) -> str:
    return " ".join(_CONTROLS.sub(" ", clean(str(value or ""))).split())


def _in_order(lines: Sequence[_Line]) -> list[_Line]:
    """Return lines in the order of time; within one moment ids of version 7 are in that of storing."""
    return sorted(lines, key=lambda line: (line.when or _LONG_AGO, str(line.memory.get("id"))))


def _text(lines: Sequence[_Line]) -> str:
    return "\n".join(map(str, _in_order(lines)))


def _counted(count_tokens: Counter, text: str) -> int:
    return inputs.whole("count_tokens(text)", count_tokens(text), least=0)


class _Parcel:
    """Lines that have been taken, and what they cost.

    A counter need not add up: two texts together may have fewer tokens than apart, or more.  To count the whole text
    for each line that is offered would take a time that grows with the square of the budget.  So costs are added up,
    and the whole is counted where that sum decides, and at the end.
    """

    def __init__(self, max_tokens: int, count_tokens: Counter) -> None:
        self.lines: list[_Line] = []
        self._most = max_tokens
        self._count = count_tokens
        self._costs: dict[int, int] = {}  # by the line's identity: a memory has no hash
        self._used = 0
        self._is_exact = True

    def offer(self, line: _Line, cost: int) -> None:
        """Take a line if it fits, instead of those that say no more than it does."""
        said = line.said
        # Nearly always neither stands in the other, which is told first because it takes the least.
        alike = [other for other in self.lines if (said in other.said or other.said in said) and _is_alike(line, other)]
        if not all(_stands(line, other) for other in alike):
            return
        freed = sum(self._costs[id(other)] for other in alike)
        lines = [*(other for other in self.lines if other not in alike), line]
        total, is_exact = self._used - freed + cost, False
        if total > self._most:
            if not self._is_exact:
                self._used, self._is_exact = self._counted(self.lines), True
                total = self._used - freed + cost
            if total > self._most + _NEARLY:
                return
            total, is_exact = self._counted(lines), True
            if total > self._most:
                return
        self.lines, self._used, self._is_exact = lines, total, is_exact
        self._costs[id(line)] = cost

    def close(self) -> int:
        """Leave out what is too much after all, the last that was taken first, and return what the text costs."""
        while self.lines:
            tokens = self._counted(self.lines)
            if tokens <= self._most:
                return tokens
            self.lines.pop()
        return 0

    def _counted(self, lines: Sequence[_Line]) -> int:
        return _counted(self._count, _text(lines)) if lines else 0


def _is_alike(one: _Line, other: _Line) -> bool:
    """Tell whether one of two lines says what the other does; "yes" of two speakers is two answers."""
    if one.speaker and other.speaker and one.speaker != other.speaker:
        return False
    return one.pieces in other.pieces or other.pieces in one.pieces


def _stands(new: _Line, old: _Line) -> bool:
    """Tell whether of two lines that are alike the one that was found later stands for both."""
    if new.said != old.said:
        return len(new.said) > len(old.said)  # it says all that the other does
    both_turns = bool(new.memory.get("role") and old.memory.get("role"))
    return both_turns and _in_order([old, new])[-1] is new


def _beginning(line: _Line, max_tokens: int, count_tokens: Counter) -> _Line | None:
    """Return the longest beginning of a line that fits, cut after a word; ``None`` where not even one word does."""
    ends = [
        word.end()
        for word in _WORD.finditer(line.text)
        # In Thai and Japanese a mark belongs to the character before it.
        if not unicodedata.category(line.text[word.end() : word.end() + 1] or " ").startswith("M")
    ]

    def cut(end: int) -> _Line:
        return line._replace(text=f"{line.text[:end]}…")

    def is_too_long(end: int) -> bool:
        return _counted(count_tokens, str(cut(end))) > max_tokens

    first = 1  # a text may be a thousand times as long as the budget: not to be counted as a whole
    while first < len(ends) and not is_too_long(ends[first - 1]):
        first *= 2
    fitting = bisect_right(ends, False, hi=min(first, len(ends)), key=is_too_long)
    return cut(ends[fitting - 1]) if fitting else None
