"""The words that :mod:`mem0.when` reads periods by, in English, German, and Chinese.

In lower case, and with umlauts as ae, oe, ue.
"""

from __future__ import annotations


def _counted(words: str, first: int) -> dict[str, int]:
    """Number the words of a text, those with a bar between them alike."""
    return {word: number for number, group in enumerate(words.split(), first) for word in group.split("|")}


def _called(**names: str) -> dict[str, str]:
    """Return what each name stands for."""
    return {name: meaning for meaning, several in names.items() for name in several.split()}


MONTHS = _counted(
    "january|jan|januar|jaenner february|feb|februar march|mar|maerz april|apr may|mai june|jun|juni july|jul|juli "
    "august|aug september|sep|sept october|oct|oktober|okt november|nov december|dec|dezember|dez",
    1,
)
WEEKDAYS = _counted(
    "monday|mon|montag|一 tuesday|tue|tues|dienstag|二 wednesday|wed|mittwoch|三 thursday|thu|thurs|donnerstag|四 "
    "friday|fri|freitag|五 "
    "saturday|samstag|sonnabend|六 sunday|sonntag|日|天",
    0,
)
SEASONS = _counted("spring|fruehling|fruehjahr|春 summer|sommer|夏 autumn|fall|herbst|秋 winter|冬", 0)
CHRISTMAS = ("christmas", "xmas", "weihnachten", "heiligabend")
ONE_OF = _called(week="week woche", month="month monat monats", year="year jahr jahres", weekend="weekend wochenende")
UNITS = _called(
    day="day days tag tage tagen 天 日",
    week="week weeks woche wochen 周 週 星 礼 禮",
    month="month months monat monate monaten 月",
    year="year years jahr jahre jahren 年",
)
LENGTHS = {"day": 1, "week": 7, "month": 31, "year": 366}
ONES = "一二三四五六七八九"
# What a number word means, from the least to the most.
NUMBERS = {
    **{
        word: (number, number)
        for word, number in _counted(
            "a|an|one|ein|eine|einem|einen|einer two|zwei|两|兩 three|drei four|vier five|fuenf six|sechs seven|sieben "
            "eight|acht nine|neun ten|zehn eleven|elf twelve|zwoelf",
            1,
        ).items()
    },
    **{
        ("" if number < 10 else "十" if number < 20 else ONES[number // 10 - 1] + "十")
        + ("" if number % 10 == 0 else ONES[number % 10 - 1]): (number, number)
        for number in range(1, 100)
    },
    **dict.fromkeys(("a couple of", "a couple"), (2, 3)),
    **dict.fromkeys(("a few", "few", "several", "ein paar", "einigen", "wenigen", "mehreren", *"几幾数數"), (2, 6)),
}
# Which one, counted from this one.  German adjectives are without what may follow their e.
WHICH = _counted(
    "vorletzte|上上|前 last|past|previous|letzte|vorige|vergangene|上|去|昨 this|diese|这|這|本|今 "
    "next|coming|naechste|kommende|下|明 uebernaechste|下下|后|後",
    -2,
)
DAYS = _counted("vorgestern yesterday|gestern today|heute tomorrow uebermorgen", -2) | {
    "day before yesterday": -2,
    "last night": -1,
    "letzte nacht": -1,
    **dict.fromkeys(("this morning", "this afternoon", "this evening", "tonight"), 0),
    "morgen": 1,
    "day after tomorrow": 2,
}
EVENINGS = ("evening", "night", "abend", "nacht")
PARTS = (*EVENINGS, "morning", "afternoon", "frueh", "morgen", "vormittag", "mittag", "nachmittag")
BEFORE_YEAR = "in im since seit during until till bis ab before vor after nach early late mid anfang mitte ende"
BEFORE_MONTH = f"{BEFORE_YEAR} by of from over around throughout"
CHINESE_DIGITS = str.maketrans("〇零" + ONES, "00123456789")

# One of these words, umlauts as they are, is in every text that speaks of a period, unless it does so by a year.
KEYS = frozenset(
    [*MONTHS, *WEEKDAYS, *SEASONS, *CHRISTMAS, *ONE_OF, *UNITS, *" ".join(DAYS).split()]
    + [day + part for day in WEEKDAYS for part in PARTS]
    + ["übermorgen", "märz", "jänner", "frühling", "frühjahr"]
) - {"before", "after", "last", "letzte", "this"}
