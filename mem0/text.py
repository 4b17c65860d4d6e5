"""What the library thinks two texts have in common: words for the keyword leg, sameness for duplicates."""

from __future__ import annotations

import re
import threading
import zlib
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

from mem0.languages import ENGLISH, OTHERS, UNSPACED, VOWEL_SIGNS, folded, is_english, normalized, without_grammar

#: Raised with every change of :func:`tokens`, and recorded with each collection: tokens are stored, and
#: only the same version finds them.
TOKENS_VERSION = 2

_PIECES = re.compile(rf"[{UNSPACED}]+|[^\W_{UNSPACED}]+(?:[{VOWEL_SIGNS}]+[^\W_{UNSPACED}]*)*")
_UNSPACED_START = re.compile(rf"[{UNSPACED}]")
_DIGIT = re.compile(r"\d")
# Of letters and syllables there are too few for one of them to mean anything: Thai, Hiragana, Katakana.
_SYLLABLES = frozenset(map(chr, (*range(0xE00, 0xE80), *range(0x3040, 0x3100))))

# McNamee and Mayfield, "Character N-Gram Tokenization for European Language Text Retrieval" (2004), found four letters
# best over eight languages, and little use in it for English.
_PART = 4

# What may stand around a sentence without changing what it says.  Nothing inside is ever dropped:
# C and C++, -5 and 5 are different facts.
_ENDS = " .!?。！？\"'`“”‘’„‚«»‹›「」『』"

# A Snowball stemmer keeps the word it works on in itself.
_stemmer_lock = threading.Lock()

# No word of any language is longer.
_LONGEST_WORD = 64

_LONGEST_SHOWN = 200

_SURROGATES = re.compile("[\ud800-\udfff]")
# To the last @ of what stands between // and /, since a password may hold one.
_LOGIN = re.compile(r"//[^/\s]*@")
# Takes the address too where it has no query, so that nothing is looked at twice.
_QUERY = re.compile(r"(\w://[^\s?#]*)(?:[?#]\S*)?")


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
    folded = normalized("NFKC", normalized("NFKC", text).casefold())
    folded = " ".join(folded.split())
    return folded.strip(_ENDS) or folded


def tokens(text: str) -> list[int]:
    """Return the 32-bit hashes of a text's search terms, in order, repeated as they repeat.

    Words are in lower case, without accents, and stemmed (Snowball, English).  Unless the text is English, any four
    letters in a row of a longer word are terms too, so that inflected and compound words meet: ``Honig`` and
    ``Lindenblütenhonig``.  Runs of scripts without spaces give every pair of neighbours, and every single character
    that can be a word.
    """
    return [_hash(term) for term in terms(text)]


def words(text: str) -> list[int]:
    """Return what :func:`tokens` does without parts of words, whatever the language: names are compared by it."""
    return [_hash(term) for piece in _pieces(text) for term in _terms_of(piece, parts=False)]


def function_words(text: str) -> frozenset[str]:
    """Return the words that say nothing of what a text is about, in its language, folded."""
    return _function_words(is_english(text, _pieces(text)))


class Question(NamedTuple):
    """A question, as the keyword leg reads it.

    Attributes:
        words: Hashes of the terms to look for, repeated as they repeat; parts of words stand last.
        length: How many terms the whole text has, as a stored text of its own.
    """

    words: tuple[int, ...]
    length: int


def question(text: str) -> Question:
    """Return what to look for: what a question has beside grammar, or all of it where it has nothing else.

    Parts of words are looked for only in a question that is surely not English, since few English memories have any.
    """
    pieces = _pieces(text)
    english = is_english(text, pieces)
    dropped = _function_words(english)
    every: list[str] = []
    content: list[str] = []
    parts: list[str] = []
    for piece in pieces:
        found = _terms_of(piece, parts=not english)
        every += found
        if _UNSPACED_START.match(piece):
            content += _terms_of_run(piece, without_grammar(piece))
        elif piece not in dropped:
            content.append(found[0])
            parts += found[1:]
    if english is False:
        content += parts
    return Question(tuple(map(_hash, content or every)), len(every))


def _function_words(english: bool | None) -> frozenset[str]:
    return OTHERS if english is False else ENGLISH


def terms(text: str) -> Iterator[str]:
    """Yield the search terms whose hashes :func:`tokens` returns."""
    pieces = _pieces(text)
    parts = not is_english(text, pieces)
    for piece in pieces:
        yield from _terms_of(piece, parts=parts)


def _pieces(text: str) -> list[str]:
    """Return the words of a text, and its runs of scripts without spaces."""
    found: list[str] = _PIECES.findall(folded(clean(text)))
    return found


def _terms_of(piece: str, *, parts: bool) -> list[str]:
    if _UNSPACED_START.match(piece):
        return _terms_of_run(piece, piece)
    found = [_stem(piece)]
    if parts and _PART < len(piece) <= _LONGEST_WORD and not _DIGIT.search(piece):
        found += [piece[at : at + _PART] for at in range(len(piece) - _PART + 1)]
    return found


def _terms_of_run(run: str, left: str) -> list[str]:
    """Return the terms of a run of a script without spaces, less those of which nothing is left.

    Args:
        run: The run.
        left: The same with a space in the place of each character that is not to be looked for.
    """
    if len(run) == 1:
        return [*left.strip()]
    single = [one for one in left if one != " " and one not in _SYLLABLES]
    return single + [run[at : at + 2] for at in range(len(run) - 1) if left[at : at + 2] != "  "]


@lru_cache(maxsize=65536)
def _stem(word: str) -> str:
    # Stemmers are quadratic at worst.
    if len(word) > _LONGEST_WORD:
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
