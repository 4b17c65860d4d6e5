"""What the library thinks two texts have in common: words for the keyword leg, sameness for duplicates."""

from __future__ import annotations

import re
import threading
import unicodedata
import zlib
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

#: Raised with every change of :func:`tokens`, and recorded with each collection: tokens are stored, and
#: only the same version finds them.
TOKENS_VERSION = 1

#: Scripts written without spaces, for a class of a regular expression: Han (with extensions and compatibility forms),
#: Hiragana, Katakana, Thai; and Hangul, whose particles cling to the words.
UNSPACED = (
    "\u0e00-\u0e7f\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3\uf900-\ufaff\U00020000-\U0003ffff"
)
_PIECES = re.compile(rf"[{UNSPACED}]+|[^\W_{UNSPACED}]+")
_UNSPACED_START = re.compile(rf"[{UNSPACED}]")

# What may stand around a sentence without changing what it says.  Nothing inside is ever dropped:
# C and C++, -5 and 5 are different facts.
_ENDS = " .!?。！？\"'`“”‘’„‚«»‹›「」『』"

# Words that make a question a question and say nothing of its subject.  Only questions drop them; what is
# stored keeps all its words.  German ones that are English words too (die, war, hat) are not among them.
_FUNCTION_WORDS = frozenset(
    re.findall(
        r"\w+",
        """
    a about all am an and any are as at be been being but by can could d did do does doing for from had has
    have having he her here hers him his how i if in into is it its ll m may me might must my no not of on or
    our ours re s shall she should so some such t than that the their theirs them then there these they this
    those to us ve was we were what when where which who whom whose why will with would you your yours
    aber als auch auf aus bei bis dann das dass dein deine dem den der des du durch ein eine einem einen einer
    er es für habe haben hatte ich ihm ihn ihr ihre im ist kann können mein meine mich mir mit nach nicht noch
    oder sein seine sich sie sind über um und uns unser unsere vom von wann warum wäre welche welchem welchen
    welcher welches wem wen wenn wer werden wie wieso wir wird wo woher wohin wurde zu zum zur
    """,
    )
)

# A Snowball stemmer keeps the word it works on in itself.
_stemmer_lock = threading.Lock()

_LONGEST_SHOWN = 200

_SURROGATES = re.compile("[\ud800-\udfff]")
# To the last @ of what stands between // and /, since a password may hold one.
_LOGIN = re.compile(r"//[^/\s]*@")
_QUERY = re.compile(r"(\w+://[^\s?#]*)[?#]\S*")


def clean(text: str) -> str:
    """Replace lone surrogates, which no UTF-8 file can hold, by U+FFFD; all else stays as it is."""
    return _SURROGATES.sub("\ufffd", text)


def without_login(address: str) -> str:
    """Return an address, or a text with one in it, without what may be a secret: name, password, and query."""
    return _QUERY.sub(r"\1", _LOGIN.sub("//", address))


def quoted(value: object) -> str:
    """Return a value for a message: its ``repr``, cut; a foreign one may raise, and of a huge number Python's does."""
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001 - the message is about something else
        return f"<{type(value).__name__}>"
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"


def same_text(text: str) -> str:
    """Return the form in which two texts that say the same in the same words are equal."""
    # Case folding takes some letters apart (Greek with two accents), hence the second time.
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    folded = " ".join(folded.split())
    return folded.strip(_ENDS) or folded


def tokens(text: str) -> list[int]:
    """Return the 32-bit hashes of a text's search terms, in order, repeated as they repeat.

    Words are case-folded and stemmed (Snowball, English); runs of scripts without spaces give every
    single character and every pair of neighbours.
    """
    return [_hash(term) for term in terms(text)]


def is_function_word(word: str) -> bool:
    """Tell whether a word says nothing of a question's subject; a single letter does not."""
    return word.casefold() in _FUNCTION_WORDS or (len(word) == 1 and word.isascii() and word.isalpha())


class Question(NamedTuple):
    """A question, as the keyword leg reads it.

    Attributes:
        words: Hashes of the terms to look for, repeated as they repeat.
        length: How many terms the whole text has, as a stored text of its own.
    """

    words: tuple[int, ...]
    length: int


def question(text: str) -> Question:
    """Return what to look for: a question's content words, or all of them where it has no others."""
    every: list[int] = []
    content: list[int] = []
    for piece in _pieces(text):
        hashes = [_hash(term) for term in _terms_of(piece)]
        every += hashes
        if piece not in _FUNCTION_WORDS:
            content += hashes
    return Question(tuple(content or every), len(every))


def terms(text: str) -> Iterator[str]:
    """Yield the search terms whose hashes :func:`tokens` returns."""
    for piece in _pieces(text):
        yield from _terms_of(piece)


def _pieces(text: str) -> list[str]:
    """Return the words of a text, and its runs of scripts without spaces."""
    found: list[str] = _PIECES.findall(unicodedata.normalize("NFKC", clean(text)).casefold())
    return found


def _terms_of(piece: str) -> Sequence[str]:
    if _UNSPACED_START.match(piece):
        return [*piece, *(piece[at : at + 2] for at in range(len(piece) - 1))]
    return (_stem(piece),)


@lru_cache(maxsize=65536)
def _stem(word: str) -> str:
    # Stemmers are quadratic at worst, and no word of any language is this long.
    if len(word) > 64:
        return word
    with _stemmer_lock:
        stemmed: str = _stemmer().stemWord(word)
    return stemmed


@lru_cache(maxsize=65536)
def _hash(term: str) -> int:
    return zlib.crc32(term.encode())


@lru_cache(maxsize=1)
def _stemmer() -> Any:
    # Not `snowballstemmer.stemmer("english")`: that one silently becomes PyStemmer where it is installed,
    # whose stems differ from release to release, and hashes of stems are stored.
    from snowballstemmer.english_stemmer import EnglishStemmer

    return EnglishStemmer()
