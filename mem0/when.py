"""The periods a text speaks of, found by rules in English, German, and Chinese.

Pure and without a clock: what "yesterday" is follows from when it was said.  A day is a calendar day of
whoever said it and counts as that day in UTC, so that 8 May is the same period wherever it is said.
"""

from __future__ import annotations

import re
import unicodedata
from calendar import monthrange
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, datetime
from functools import lru_cache
from typing import NamedTuple

from mem0.when_words import (
    BEFORE_MONTH,
    BEFORE_YEAR,
    CHINESE_DIGITS,
    CHRISTMAS,
    DAYS,
    EVENINGS,
    KEYS,
    LENGTHS,
    MONTHS,
    NUMBERS,
    ONE_OF,
    ONES,
    PARTS,
    SEASONS,
    UNITS,
    WEEKDAYS,
    WHICH,
)

_LONGEST_READ = 20_000
_MOST_PERIODS = 8
_EPOCH = date(1970, 1, 1).toordinal()
_LAST_DAY = date.max.toordinal()

_WORDS = re.compile("[a-zäöü]+")
_FOUR_DIGITS = re.compile("[0-9]{4}")
_CHINESE_KEYS = re.compile("[天日晚早晨夜周週星礼禮月年春夏秋冬圣聖]")
# Words told from those of time by their case (a noun "Morgen" within a sentence) or their neighbours (a verb "may").
_OTHER_WORDS = re.compile(
    r"(?<=[\w,] )Morgen\b|\b(?:[Tt]his|[Pp]ast) may\b|(?<=[0-9] )may(?= (?:be|not|have|also|need|take|get)\b)"
)


class Span(NamedTuple):
    """A period, in Unix seconds (UTC).

    Attributes:
        start: Its first moment.
        end: The first moment after it.
    """

    start: float
    end: float


def periods(text: str, said: datetime) -> list[Span]:
    """Return the periods a text speaks of: each once, eight at most, and never an error.

    Weeks begin on Monday, seasons are those of the northern half of the earth in whole months, and an
    evening or a night ends at midnight, so that it lies within the day it is asked by.  A day, month, or
    season without a year is the closest one, whether past or to come.

    Args:
        text: What was said; what follows the first 20,000 characters is not looked at.
        said: When it was said; its date is that of its own offset.
    """
    found: dict[Span, None] = {}
    for span in _spans(_plain(text), said.date()):
        found[span] = None
        if len(found) == _MOST_PERIODS:
            break
    return list(found)


# -- the calendar: from which day to before which, as ordinals -----------------------------------------------------

_Days = tuple[float, float]


def _number(word: str) -> tuple[int, int]:
    return (int(word), int(word)) if word.isdecimal() else NUMBERS[word]


def _year(today: date, words: str) -> int:
    """Return the year that "2023", "二〇二三", "last year", "letzten Jahres", or the 去 of 去年 is."""
    digits = words.translate(CHINESE_DIGITS)
    if digits.isdecimal():
        return int(digits)
    which = words.split()[0]
    return today.year + WHICH[which if which in WHICH else which[:-1]]


def _months(year: int, month: int, count: int = 1) -> _Days:
    """Return so many months, the first of which may be given as one before or after the year."""
    start, end = year * 12 + month - 1, year * 12 + month - 2 + count
    last = (end // 12, end % 12 + 1)
    return date(start // 12, start % 12 + 1, 1).toordinal(), date(*last, monthrange(*last)[1]).toordinal() + 1


def _unit(today: date, unit: str, first: int, last: int) -> _Days:
    """Return the days, weeks, months… of the calendar from the first to the last, counted from this one."""
    now = today.toordinal()
    monday = now - today.weekday()
    if unit == "day":
        return now + first, now + last + 1
    if unit == "week":
        return monday + 7 * first, monday + 7 * last + 7
    if unit == "weekend":
        return monday + 7 * first + 5, monday + 7 * last + 7
    if unit == "month":
        return _months(today.year, today.month + first, last - first + 1)
    return _months(today.year + first, 1, 12 * (last - first + 1))


def _recurring(today: date, build: Callable[[int], _Days], year: str | None, which: int | None = None) -> _Days:
    """Return what comes every year: that of a year, or the closest, or the last (-1), this (0), next (1) one."""
    if year:
        return build(_year(today, year))
    now = today.toordinal()
    near = list(_built(build, range(today.year - 2, today.year + 3)))
    if which is None:  # 29 February may be years away
        near = near or list(_built(build, range(today.year - 8, today.year + 9)))
        return min(near, key=lambda days: max(days[0] - now, now + 1 - days[1], 0))
    if which == 0:
        return next((days for days in near if days[0] <= now < days[1]), build(today.year))
    if which < 0:
        return [days for days in near if days[1] <= now][which]
    return [days for days in near if days[0] > now][which - 1]


def _built(build: Callable[[int], _Days], years: Iterable[int]) -> Iterator[_Days]:
    for year in years:
        try:
            yield build(year)
        except ValueError:  # not in this year: a leap day, or a year that no calendar has
            continue


# -- what each rule finds: it is given what its pattern's groups matched -------------------------------------------


def _named_day(today: date, name: str, part: str | None) -> _Days:
    first = today.toordinal() + (DAYS[name] if name in DAYS else WHICH[name])
    evening = part in EVENINGS or part in ("晚", "夜") or name.endswith(("night", "evening", "nacht"))
    return first + 0.75 if evening else first, first + 1


def _ago(today: date, number: str, unit: str, sign: int = -1) -> _Days:
    least, most = sorted(sign * count for count in _number(number))
    if UNITS[unit] != "week":
        return _unit(today, UNITS[unit], least, most)
    now = today.toordinal()  # a week around the day: "two weeks ago" is seldom meant to the day
    return now + 7 * least - 3, now + 7 * most + 4


def _ahead(today: date, number: str, unit: str) -> _Days:
    return _ago(today, number, unit, 1)


def _stretch(today: date, which: str, number: str, unit: str) -> _Days | None:
    now = today.toordinal()
    days = _number(number)[1] * LENGTHS[UNITS[unit]]
    past = WHICH.get(which, -1 if which in ("过去", "過去", "最近") else 1)
    return None if past == 0 else (now - days, now + 1) if past < 0 else (now, now + days + 1)


def _which_one(today: date, which: str, name: str) -> _Days | None:
    offset, now = WHICH[which], today.toordinal()
    if name in ONE_OF:
        if which == "past" and name in UNITS:  # "the past year" ends today, "last year" with December
            return _stretch(today, which, "1", name)
        return _unit(today, ONE_OF[name], offset, offset)
    if name in MONTHS:
        return _month(today, name, None, offset)
    if name in SEASONS:
        return _season(today, name, None, offset)
    if name in CHRISTMAS:
        return _christmas(today, None, offset)
    ahead = WEEKDAYS[name] - today.weekday()
    if offset:  # the last and the next are never today
        ahead = (ahead - 1) % 7 + 1 + 7 * (offset - 1) if offset > 0 else ahead % 7 + 7 * offset
    return now + ahead, now + ahead + 1


def _weekday(today: date, name: str) -> _Days:
    closest = today.toordinal() + (WEEKDAYS[name] - today.weekday() + 3) % 7 - 3
    return closest, closest + 1


def _beside(today: date, unit: str, side: str, further: str) -> _Days:
    offset = (-1 if side == "before" else 1) * (2 if further else 1)
    return _unit(today, unit, offset, offset)


def _date(today: date, first: str | None, last: str, month: str, year: str | None) -> _Days:
    number = MONTHS[month] if month in MONTHS else _number(month)[0]
    from_day, to_day = _number(first or last)[0], _number(last)[0]
    return _recurring(
        today, lambda at: (date(at, number, from_day).toordinal(), date(at, number, to_day).toordinal() + 1), year
    )


def _month_first(today: date, month: str, first: str, last: str | None, year: str | None) -> _Days:
    return _date(today, first, last or first, month, year)


def _year_first(today: date, year: str | None, month: str, day: str | None) -> _Days:
    return _date(today, None, day, month, year) if day else _month(today, month, year)


def _dotted(today: date, day: str, month: str, year: str) -> _Days:
    return _date(today, None, day, month, year)


def _month(today: date, month: str, year: str | None, which: int | None = None) -> _Days:
    number = MONTHS[month] if month in MONTHS else _number(month)[0]
    if number > 12:
        raise ValueError("no such month")
    return _recurring(today, lambda at: _months(at, number), year, which)


def _season(today: date, season: str, year: str | None, which: int | None = None) -> _Days:
    # The winter of a year is the one that begins in its December.
    return _recurring(today, lambda at: _months(at, 3 * SEASONS[season] + 3, 3), year, which)


def _christmas(today: date, year: str | None, which: int | None = None) -> _Days:
    return _recurring(today, lambda at: (date(at, 12, 24).toordinal(), date(at, 12, 26).toordinal() + 1), year, which)


def _whole_year(today: date, year: str) -> _Days:
    return _months(_year(today, year), 1, 12)


def _chinese_season(today: date, year: str | None, season: str) -> _Days:
    return _season(today, season, year)


def _chinese_week(today: date, which: str, day: str | None) -> _Days:
    # Unlike "last Friday", 上周五 is the Friday of last week, also on a Saturday.
    start, end = _unit(today, "weekend" if day == "末" else "week", WHICH[which], WHICH[which])
    return (start + WEEKDAYS[day], start + WEEKDAYS[day] + 1) if day in WEEKDAYS else (start, end)


def _chinese_month(today: date, which: str, day: str | None) -> _Days:
    start, end = _unit(today, "month", WHICH[which], WHICH[which])
    if day is None:
        return start, end
    start += _number(day)[0] - 1
    if start >= end:
        raise ValueError("no such day")
    return start, start + 1


# -- the rules: the first that fits, from left to right ------------------------------------------------------------

_Rules = tuple[re.Pattern[str], dict[int, tuple[Callable[..., "_Days | None"], int]]]


def _any(words: Iterable[str] | str) -> str:
    """Return a pattern of words; Chinese ones are left out, as the rules spell them out themselves."""
    return _tree({word for word in (words.split() if isinstance(words, str) else words) if word.isascii()})


def _tree(words: Iterable[str]) -> str:
    """Return a pattern of words as a tree of their letters, which takes a third of the time of a plain list."""
    rests: dict[str, set[str]] = {}
    for word in words:
        rests.setdefault(word[:1], set()).add(word[1:])
    may_end = rests.pop("", None) is not None
    branches = [letter + _tree(rest) for letter, rest in sorted(rests.items())]
    if len(branches) == 1 and not may_end:
        return branches[0]
    return f"(?:{'|'.join(branches)}){'?' * may_end}" if branches else ""


def _rules(before: str, after: str, rows: Sequence[tuple[str, Callable[..., _Days | None]]]) -> _Rules:
    """Compile rules into one pattern, and into what to call by the number of the group that matched."""
    found: dict[int, tuple[Callable[..., _Days | None], int]] = {}
    group = 1
    for pattern, reader in rows:
        count = len(re.findall(r"(?<!\\)\((?!\?)", pattern))
        found[group] = (reader, count)
        group += count + 1
    return re.compile(f"{before}(?:{'|'.join(f'({pattern})' for pattern, _ in rows)}){after}"), found


# Compiled when first needed, since that takes some hundredths of a second.
@lru_cache(maxsize=1)
def _latin() -> _Rules:
    month, weekday, unit, part = _any(MONTHS), _any(WEEKDAYS), _any(UNITS), _any(PARTS)
    season = rf"(?:{_any(SEASONS.keys() - {'fall'})}|(?<!im )(?<!e[mn] )fall)"  # not "im Fall", "in diesem Fall"
    number = f"(?:[0-9]{{1,4}}|{_any(NUMBERS)})"
    which = f"({_any(WHICH)})(?:(?<=e)[nrsm])?"
    day = r"([0-9]{1,2})(?:st|nd|rd|th|\.)?"
    to = " ?(?:-|–|to|bis) ?"
    year = "(?:1[5-9]|20)[0-9]{2}"
    a_year = f"({year}(?![0-9])|(?:last|this|next) year|(?:letzten|vorigen|vergangenen|dieses|naechsten) jahre?s?)"
    of_year = f",? (?:of |in |des )?{a_year}"
    about = r"(?:about |around |etwa |ungefaehr )?"
    dated = rf"(?!,? (?:the |den |dem )?(?:{month}|[0-9]{{1,2}}(?:st|nd|rd|th|\.)?(?: of)? ?(?:{month}|[0-9])))"
    article = "(?: the| dem| der| den)?"
    no_noun = r"(?<!\bam )(?<!\bden )(?<!\bder )(?<!\bzum )(?<!\bvom )(?<!guten )(?<!jeden )(?<!diesen )(?<!naechsten )"
    # What any rule begins with: without a look ahead at it, every word would be held against every rule.
    tables = (DAYS, NUMBERS, WHICH, MONTHS, SEASONS, CHRISTMAS, f"am {BEFORE_MONTH}".split())
    first = _any([*(words.split()[0] for table in tables for words in table), "the", "on", "year", "jahr", "jahre"])
    return _rules(
        rf"\b(?=[0-9]|{first}[nrsm]?(?![a-z]))",
        r"(?!\w)",
        [
            (rf"({_any(DAYS.keys() - {'morgen'})})(?: ({part}))?", _named_day),
            (rf"{no_noun}(morgen)(?: ({part}))?", _named_day),
            (rf"({number}) ({unit}) (?:ago|back)", _ago),
            (rf"vor {about}({number}) ({unit})", _ago),
            (rf"in {about}({number}) ({unit})", _ahead),
            (rf"({number}) ({unit}) from now", _ahead),
            (rf"{which} ({number}) ({unit})", _stretch),
            (
                rf"{which} ({_any(ONE_OF)}|{weekday}(?={part}|\b){dated}|{month}(?!\.? [0-9])|{season}"
                rf"|{_any(CHRISTMAS)}){part}?",
                _which_one,
            ),
            (r"the (day|week|month|year|weekend) (before|after)( last| next|(?= ?[.,;:!?)]|$))", _beside),
            (r"([0-9]{4})[-/]([0-9]{1,2})[-/]([0-9]{1,2})(?:t[0-9:.]*z?)?", _year_first),
            (r"([0-9]{1,2})\. ?([0-9]{1,2})\. ?([0-9]{4})", _dotted),
            (rf"(?:{day}{to})?{day}(?: of)? ?({month})\.?(?:{of_year})?", _date),
            (rf"({month})\.? {day}(?:{to}{day})?(?:{of_year})?", _month_first),
            (rf"({month})\.?{of_year}", _month),
            (rf"{_any(BEFORE_MONTH)}[ -]({month})(?:{of_year})?(?!\.? [0-9])", _month),
            (rf"({season}){of_year}", _season),
            (rf"{_any(BEFORE_MONTH)}{article}[ -]({season})(?:{of_year})?", _season),
            (rf"{_any(CHRISTMAS)}(?: eve| day)?(?:{of_year})?", _christmas),
            (rf"(?:on|am) ({weekday}){part}?{dated}", _weekday),
            (rf"(?:{_any(BEFORE_YEAR)}|year|jahre?)[ -]({year})(?![,.:/-]?[0-9])(?! ?[%$€])", _whole_year),
        ],
    )


@lru_cache(maxsize=1)
def _chinese() -> _Rules:
    numerals = f"{ONES}十0-9"
    week = "(?:周|週|星期|礼拜|禮拜)"
    number = f"(?<![几幾数數百千两兩{numerals}])([0-9]{{1,3}}|[{ONES}]?十[{ONES}]?|[{ONES}两兩几幾数數])"
    unit = "(?:[个個](?=[星礼禮月]))?([天日周週年]|[星礼禮](?=[期拜])|(?<=[个個])月)[期拜]?"
    # Signs that belong to the one before: 以前 天天, 说明 天气, 过去 年轻.
    own = "(?<![以之目今然最过過说說证證表声聲])"
    year = f"{own}([12][0-9]{{3}}|[〇零{ONES}]{{4}}|[去前今明后後])年(?![龄齡轻輕薪纪紀级級])"
    day = f"(?:([0-9]{{1,2}}|[{ONES}]?十[{ONES}]?|[{ONES}])[日号號])?"
    return _rules(
        f"(?=[0-9{ONES}十〇零两兩几幾数數前昨今明后後去上下这這本周週星礼禮春夏秋冬圣聖过過最近未接])",
        "",
        [
            (rf"{own}((?<!大)[前后後](?=天)|[昨今明](?=[天日早晨晚夜]))[天日早晨]?([晚夜])?", _named_day),
            (rf"{number}{unit}(?:以前|之前|前)", _ago),
            (rf"{number}{unit}(?:以后|之后|以後|之後|[后後])", _ahead),
            (rf"(过去|過去|最近|未来|未來|接下来|接下來)的?{number}{unit}", _stretch),
            (r"([0-9]{4})[-/]([0-9]{1,2})[-/]([0-9]{1,2})(?![0-9])", _year_first),
            (rf"(?:{year}的?)?(?<![{numerals}])(1[0-2]|0?[1-9]|十[一二]?|[{ONES}])月{day}", _year_first),
            (rf"(?:{year}的?)?([春夏秋冬])[天季]", _chinese_season),
            (rf"(?:{year}的?)?[圣聖][诞誕]", _christmas),
            (year, _whole_year),
            (rf"(上上|下下|[上下这這本])一?[个個]?{week}([{ONES[:6]}日天末])?(?![围圍边邊年])", _chinese_week),
            (rf"(上上|下下|[上下这這本])一?[个個]?月(?![球亮]){day}", _chinese_month),
            (rf"(?<![每两兩{numerals}]){week}([{ONES[:6]}日天])", _weekday),
        ],
    )


def _plain(text: str) -> str:
    """Return the beginning of a text, with full-width digits and umlauts of two characters made plain."""
    text = text[:_LONGEST_READ]
    return text if text.isascii() else unicodedata.normalize("NFKC", text)


def _spans(text: str, today: date) -> Iterator[Span]:
    """Yield the periods of a text that is :func:`_plain`; most texts have none, and cost a look at their words."""
    lowered = text.lower()
    dated = _FOUR_DIGITS.search(lowered) is not None
    if dated or not KEYS.isdisjoint(_WORDS.findall(lowered)):
        lowered = _OTHER_WORDS.sub("-", " ".join(text.split())).lower()
        yield from _found(_latin(), lowered.replace("ä", "ae").replace("ö", "oe").replace("ü", "ue"), today)
    if not text.isascii() and (dated or _CHINESE_KEYS.search(text)):
        yield from _found(_chinese(), "".join(text.split()), today)


def _found(rules: _Rules, text: str, today: date) -> Iterator[Span]:
    pattern, readers = rules
    for match in pattern.finditer(text):
        group = match.lastindex or 0
        reader, count = readers[group]
        try:
            days = reader(today, *match.groups()[group : group + count])
        except (ValueError, OverflowError, IndexError):  # 31 February, or a day that no calendar has
            continue
        if days and 1 <= days[0] < days[1] <= _LAST_DAY + 1:
            yield Span((days[0] - _EPOCH) * 86400.0, (days[1] - _EPOCH) * 86400.0)
