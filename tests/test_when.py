"""The periods texts speak of: what is found in three languages, what is not, and that nothing hostile hurts."""

from __future__ import annotations

import subprocess
import sys
import time
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mem0.when import Span, periods

UTC = timezone.utc
SAID = datetime(2023, 5, 10, 15, tzinfo=UTC)  # a Wednesday

# Words the rules are made of, so that Hypothesis finds its way into them.
PIECES = """
    0 2 8 31 99 2023 9999 0001 8. 8th may march feb mai februar in of on am the last this next letzten vor ago before
    after week days year jahr tagen monday freitag summer fall christmas morgen Morgen heute tonight a few - , . when
    wann 年 月 日 号 天 前 后 上 下 周 五 十 二 三 个 去 今 明 夏天 圣诞 〇 五月 哪天
"""
SEQUENCES = st.lists(st.sampled_from(PIECES.split()))
TEXTS = st.one_of(st.text(), SEQUENCES.map(" ".join), SEQUENCES.map("".join))
HOSTILE = """
today_ in_ may_ 1 1_ a_ last_ - _ 8._ 2023- 一 十 年月日 2023年 前 上上 31_feb_ 8_may_ 8-8- when_ how_many_days_
the_day_before_ İ ﷺ a_couple_of_a_few_ u\u0308 8_-_ 最近 2023-05-08t: :
"""
TIMES = st.one_of(
    st.datetimes(timezones=st.just(UTC)),
    st.sampled_from([datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)]),
    st.sampled_from([datetime.min.replace(tzinfo=timezone(timedelta(hours=14)))]),
)


def read(span: Span) -> str:
    """Return "2023-05-08" for a day, "2023-05-08..2023-05-10" for several, with an end that is included."""
    start, end = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds) for seconds in span)
    if start.hour:
        return f"{start:%Y-%m-%dT%H}..{end:%Y-%m-%dT%H}"
    first, last = f"{start:%Y-%m-%d}", f"{end - timedelta(days=1):%Y-%m-%d}"
    return first if first == last else f"{first}..{last}"


def found(text: str, said: datetime = SAID) -> list[str]:
    return [read(span) for span in periods(text, said)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It was 2023-05-08.", "2023-05-08"),
        ("2023/5/8", "2023-05-08"),
        ("at 2023-05-08T10:00:00Z", "2023-05-08"),
        ("on 8 May 2023", "2023-05-08"),
        ("8 MAY 2021", "2021-05-08"),
        ("May 8, 2021", "2021-05-08"),
        ("Mar. 8th 2021", "2021-03-08"),
        ("May 8th", "2023-05-08"),
        ("the 8th of May, 2021", "2021-05-08"),
        ("the 8th\nof  May", "2023-05-08"),
        ("8 May", "2023-05-08"),
        ("30 December", "2022-12-30"),
        ("29 February", "2024-02-29"),
        ("May 8-10, 2021", "2021-05-08..2021-05-10"),
        ("8 to 10 May 2021", "2021-05-08..2021-05-10"),
        ("on Friday, May 5, 2023", "2023-05-05"),
        ("since March 8, 2021", "2021-03-08"),
        ("May 2022", "2022-05-01..2022-05-31"),
        ("February of 2024", "2024-02-01..2024-02-29"),
        ("in May", "2023-05-01..2023-05-31"),
        ("in December", "2022-12-01..2022-12-31"),
        ("in early June", "2023-06-01..2023-06-30"),
        ("in May last year", "2022-05-01..2022-05-31"),
        ("last May", "2022-05-01..2022-05-31"),
        ("last March", "2023-03-01..2023-03-31"),
        ("next May", "2024-05-01..2024-05-31"),
        ("next June", "2023-06-01..2023-06-30"),
        ("in 2022", "2022-01-01..2022-12-31"),
        ("since 2022.", "2022-01-01..2022-12-31"),
        ("yesterday's soup", "2023-05-09"),
        ("Today!", "2023-05-10"),
        ("tonight", "2023-05-10T18..2023-05-11T00"),
        ("last night", "2023-05-09T18..2023-05-10T00"),
        ("tomorrow", "2023-05-11"),
        ("the day before yesterday", "2023-05-08"),
        ("the day after tomorrow", "2023-05-12"),
        ("3 days ago", "2023-05-07"),
        ("Two weeks ago", "2023-04-23..2023-04-29"),
        ("a week ago", "2023-04-30..2023-05-06"),
        ("three months ago", "2023-02-01..2023-02-28"),
        ("six months ago", "2022-11-01..2022-11-30"),
        ("twelve years ago", "2011-01-01..2011-12-31"),
        ("a few days ago", "2023-05-04..2023-05-08"),
        ("a couple of years ago", "2020-01-01..2021-12-31"),
        ("last week", "2023-05-01..2023-05-07"),
        ("this week", "2023-05-08..2023-05-14"),
        ("next week", "2023-05-15..2023-05-21"),
        ("last month", "2023-04-01..2023-04-30"),
        ("this month", "2023-05-01..2023-05-31"),
        ("next month", "2023-06-01..2023-06-30"),
        ("last year", "2022-01-01..2022-12-31"),
        ("next year", "2024-01-01..2024-12-31"),
        ("last weekend", "2023-05-06..2023-05-07"),
        ("this past weekend", "2023-05-06..2023-05-07"),
        ("next weekend", "2023-05-20..2023-05-21"),
        ("the past week", "2023-05-03..2023-05-10"),
        ("the last three days", "2023-05-07..2023-05-10"),
        ("last Friday", "2023-05-05"),
        ("last Tues", "2023-05-09"),
        ("last Wednesday", "2023-05-03"),
        ("this Friday", "2023-05-12"),
        ("next Friday", "2023-05-12"),
        ("next Wednesday", "2023-05-17"),
        ("on Friday", "2023-05-12"),
        ("on Sunday", "2023-05-07"),
        ("It was the week before.", "2023-05-01..2023-05-07"),
        ("the week before last we met", "2023-04-24..2023-04-30"),
        ("in two weeks", "2023-05-21..2023-05-27"),
        ("in 3 days", "2023-05-13"),
        ("summer 2022", "2022-06-01..2022-08-31"),
        ("the winter of 2022", "2022-12-01..2023-02-28"),
        ("in spring", "2023-03-01..2023-05-31"),
        ("in the autumn", "2023-09-01..2023-11-30"),
        ("next fall", "2023-09-01..2023-11-30"),
        ("last winter", "2022-12-01..2023-02-28"),
        ("for Christmas", "2022-12-24..2022-12-26"),
        ("Christmas 2020", "2020-12-24..2020-12-26"),
        ("next Christmas", "2023-12-24..2023-12-26"),
    ],
)
def test_english(text: str, expected: str) -> None:
    assert found(text) == [expected]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Gestern", "2023-05-09"),
        ("vorgestern war es", "2023-05-08"),
        ("heute", "2023-05-10"),
        ("heute Abend", "2023-05-10T18..2023-05-11T00"),
        ("letzte Nacht", "2023-05-09T18..2023-05-10T00"),
        ("Gestern Morgen", "2023-05-09"),
        ("Wir gehen morgen hin", "2023-05-11"),
        ("Morgen gehe ich", "2023-05-11"),
        ("übermorgen", "2023-05-12"),
        ("u\u0308bermorgen", "2023-05-12"),
        ("uebermorgen", "2023-05-12"),
        ("vor drei Tagen", "2023-05-07"),
        ("vor einer Woche", "2023-04-30..2023-05-06"),
        ("vor fünf Wochen", "2023-04-02..2023-04-08"),
        ("vor zwoelf Monaten", "2022-05-01..2022-05-31"),
        ("vor 2 Jahren", "2021-01-01..2021-12-31"),
        ("vor ein paar Tagen", "2023-05-04..2023-05-08"),
        ("in zwei Wochen", "2023-05-21..2023-05-27"),
        ("letzte Woche", "2023-05-01..2023-05-07"),
        ("diese Woche", "2023-05-08..2023-05-14"),
        ("in dieser Woche", "2023-05-08..2023-05-14"),
        ("nächste Woche", "2023-05-15..2023-05-21"),
        ("naechste Woche", "2023-05-15..2023-05-21"),
        ("vorletzte Woche", "2023-04-24..2023-04-30"),
        ("am letzten Wochenende", "2023-05-06..2023-05-07"),
        ("letzten Freitag", "2023-05-05"),
        ("letzten Freitagabend", "2023-05-05"),
        ("nächsten Freitag", "2023-05-12"),
        ("vorletzten Freitag", "2023-04-28"),
        ("nächsten Monat", "2023-06-01..2023-06-30"),
        ("letztes Jahr", "2022-01-01..2022-12-31"),
        ("am 8. Mai 2021", "2021-05-08"),
        ("am 8. Mai", "2023-05-08"),
        ("am Montag, dem 8. Mai 2023", "2023-05-08"),
        ("8. April 2021", "2021-04-08"),
        ("08.05.2021", "2021-05-08"),
        ("8. 5. 2021", "2021-05-08"),
        ("im Mai", "2023-05-01..2023-05-31"),
        ("im März 2021", "2021-03-01..2021-03-31"),
        ("im Mai letzten Jahres", "2022-05-01..2022-05-31"),
        ("Ende Maerz", "2023-03-01..2023-03-31"),
        ("im Sommer", "2023-06-01..2023-08-31"),
        ("letzten Sommer", "2022-06-01..2022-08-31"),
        ("Herbst 2021", "2021-09-01..2021-11-30"),
        ("seit 2021", "2021-01-01..2021-12-31"),
        ("im Jahr 2019", "2019-01-01..2019-12-31"),
        ("am Freitag", "2023-05-12"),
        ("an Weihnachten", "2022-12-24..2022-12-26"),
    ],
)
def test_german(text: str, expected: str) -> None:
    assert found(text) == [expected]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("我昨天去了", "2023-05-09"),
        ("前天", "2023-05-08"),
        ("今天", "2023-05-10"),
        ("今天晚上", "2023-05-10T18..2023-05-11T00"),
        ("昨晚", "2023-05-09T18..2023-05-10T00"),
        ("明天", "2023-05-11"),
        ("后天", "2023-05-12"),
        ("上周", "2023-05-01..2023-05-07"),
        ("这周", "2023-05-08..2023-05-14"),
        ("下周", "2023-05-15..2023-05-21"),
        ("上上周", "2023-04-24..2023-04-30"),
        ("上个周末", "2023-05-06..2023-05-07"),
        ("上周五", "2023-05-05"),
        ("下个星期三", "2023-05-17"),
        ("周五见", "2023-05-12"),
        ("上个月", "2023-04-01..2023-04-30"),
        ("下个月", "2023-06-01..2023-06-30"),
        ("上个月5号", "2023-04-05"),
        ("去年", "2022-01-01..2022-12-31"),
        ("今年", "2023-01-01..2023-12-31"),
        ("明年", "2024-01-01..2024-12-31"),
        ("三天前", "2023-05-07"),
        ("两周前", "2023-04-23..2023-04-29"),
        ("12天以前", "2023-04-28"),
        ("十二个月前", "2022-05-01..2022-05-31"),
        ("五年前", "2018-01-01..2018-12-31"),
        ("几天前", "2023-05-04..2023-05-08"),
        ("三天后", "2023-05-13"),
        ("过去三天", "2023-05-07..2023-05-10"),
        ("2021年5月8日", "2021-05-08"),
        ("2021 年 5 月 8 日", "2021-05-08"),
        ("２０２１年５月８日", "2021-05-08"),
        ("二〇二一年五月八日", "2021-05-08"),
        ("5月8号", "2023-05-08"),
        ("十二月三十一日", "2022-12-31"),
        ("五月", "2023-05-01..2023-05-31"),
        ("去年五月", "2022-05-01..2022-05-31"),
        ("2021年", "2021-01-01..2021-12-31"),
        ("去年的夏天", "2022-06-01..2022-08-31"),
        ("圣诞节", "2022-12-24..2022-12-26"),
        ("在2021-05-08见面", "2021-05-08"),
    ],
)
def test_chinese(text: str, expected: str) -> None:
    assert found(text) == [expected]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "I may go, and this may take long.",
        "You may march; the leaves fall like spring rain.",
        "Every day of the year we met on Fridays.",
        "the week before my exam",
        "It lasts years.",
        "2022 people",
        "room 20235",
        "31 Feb",
        "2023-02-30",
        "2023-13-01",
        "0000-01-01",
        "32.01.2023",
        "9999 years ago",
        "in 9999 years",
        "Am Morgen, am morgen, guten morgen und jeden Morgen.",
        "im Fall eines Falles, in diesem Fall",
        "2月31日",
        "13月",
        "以前天天吃，目前天气好，说明天气，证明年龄，过去年轻",
        "每周五，一周五天",
        "三个月",
    ],
)
def test_no_period(text: str) -> None:
    assert periods(text, SAID) == []


class TestPeriods:
    def test_a_span_is_half_open_unix_seconds(self) -> None:
        start = datetime(2023, 5, 9, tzinfo=UTC).timestamp()
        assert periods("yesterday", SAID) == [Span(start, start + 86400)]

    def test_the_day_is_that_of_the_speaker(self) -> None:
        early = datetime(2023, 5, 11, 1, tzinfo=timezone(timedelta(hours=8)))
        assert found("today", early) == ["2023-05-11"]
        assert found("today", early.astimezone(UTC)) == ["2023-05-10"]

    def test_several_in_order_and_each_once(self) -> None:
        text = "Yesterday I said in May, not on 8 May 2021; yesterday, 昨天!"
        assert found(text) == ["2023-05-09", "2023-05-01..2023-05-31", "2021-05-08"]

    def test_eight_at_most(self) -> None:
        assert found(", ".join(f"{day} May 2023" for day in range(1, 31)))[-1:] == ["2023-05-08"]

    def test_an_impossible_date_hides_no_other(self) -> None:
        assert found("31 Feb, yesterday") == ["2023-05-09"]

    def test_only_the_beginning_is_read(self) -> None:
        assert periods("x" * 19_990 + " yesterday", SAID) != []
        assert periods("x" * 20_000 + " yesterday", SAID) == []

    @pytest.mark.parametrize("text", ["last year", "昨天", "vor drei Wochen", "last winter", "in two months", "May 8"])
    @pytest.mark.parametrize("year", [1, 9999])
    def test_at_the_ends_of_the_calendar(self, text: str, year: int) -> None:
        for said in (datetime(year, 1, 1, tzinfo=UTC), datetime(year, 12, 31, 23, tzinfo=UTC)):
            assert len(periods(text, said)) <= 1

    @given(TEXTS, TIMES)
    def test_never_an_error(self, text: str, said: datetime) -> None:
        spans = periods(text, said)
        assert len(set(spans)) == len(spans) <= 8
        assert all(-62135596800 <= start < end <= 253402300800 for start, end in spans)

    @pytest.mark.parametrize(
        "piece",
        ["\ud800", "\n", *(piece.replace("_", " ") for piece in HOSTILE.split())],
    )
    def test_hostile_texts_cost_what_others_do(self, piece: str) -> None:
        text = piece * (100_000 // len(piece))
        began = time.process_time()
        periods(text, SAID)
        assert time.process_time() - began < 2  # some hundredths of a second

    def test_importing_compiles_no_rules(self) -> None:
        code = "import mem0.when as w; print(w._latin.cache_info().currsize + w._chinese.cache_info().currsize)"
        assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout.strip() == b"0"
