"""Points in time: what is read, what is written, and when a memory ends."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mem0 import ValidationError
from mem0.times import expiration, expires_at, iso, moment, said_at

UTC = timezone.utc

OFFSETS = st.integers(-840, 840).map(lambda minutes: timezone(timedelta(minutes=minutes)))


class TestMoment:
    @pytest.mark.parametrize(
        ("given", "expected"),
        [
            (datetime(2026, 1, 31, 18), datetime(2026, 1, 31, 18, tzinfo=UTC)),
            (datetime(2026, 1, 31, 18, tzinfo=UTC), datetime(2026, 1, 31, 18, tzinfo=UTC)),
            (datetime(2026, 1, 31, 18, tzinfo=timezone(timedelta(hours=1))), datetime(2026, 1, 31, 17, tzinfo=UTC)),
            (date(2026, 1, 31), datetime(2026, 1, 31, tzinfo=UTC)),
            ("2026-01-31", datetime(2026, 1, 31, tzinfo=UTC)),
            ("20260131", datetime(2026, 1, 31, tzinfo=UTC)),
            ("2026-01-31T18", datetime(2026, 1, 31, 18, tzinfo=UTC)),
            ("2026-01-31T18:30", datetime(2026, 1, 31, 18, 30, tzinfo=UTC)),
            ("2026-01-31 18:30:15", datetime(2026, 1, 31, 18, 30, 15, tzinfo=UTC)),
            ("2026-01-31T18:30:15Z", datetime(2026, 1, 31, 18, 30, 15, tzinfo=UTC)),
            ("2026-01-31t18:30:15z", datetime(2026, 1, 31, 18, 30, 15, tzinfo=UTC)),
            ("2026-01-31T18:30:15.5Z", datetime(2026, 1, 31, 18, 30, 15, 500000, tzinfo=UTC)),
            ("2026-01-31T18:30:15,25", datetime(2026, 1, 31, 18, 30, 15, 250000, tzinfo=UTC)),
            ("2026-01-31T18:30:15.123456789Z", datetime(2026, 1, 31, 18, 30, 15, 123456, tzinfo=UTC)),
            ("2026-01-31T18:30:15+01:00", datetime(2026, 1, 31, 17, 30, 15, tzinfo=UTC)),
            ("2026-01-31T18:30:15+0530", datetime(2026, 1, 31, 13, 0, 15, tzinfo=UTC)),
            ("2026-01-31T18:30:15-05", datetime(2026, 1, 31, 23, 30, 15, tzinfo=UTC)),
            ("2026-01-31 18:30:15 +01:00", datetime(2026, 1, 31, 17, 30, 15, tzinfo=UTC)),
            ("20260131T183015Z", datetime(2026, 1, 31, 18, 30, 15, tzinfo=UTC)),
            ("  2026-01-31\n", datetime(2026, 1, 31, tzinfo=UTC)),
            (0, datetime(1970, 1, 1, tzinfo=UTC)),
            (-1, datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC)),
            (1769884215.25, datetime(2026, 1, 31, 18, 30, 15, 250000, tzinfo=UTC)),
        ],
    )
    def test_read(self, given: Any, expected: datetime) -> None:
        found = moment("timestamp", given)
        assert found == expected
        assert found.tzinfo is UTC

    @pytest.mark.parametrize(
        "given",
        [
            "",
            "Z",
            "yesterday",
            "2026",
            "2026-1-1",
            "2026-02-30",
            "2026-13-01",
            "2026-0131",
            "2026-01-31T25:00",
            "2026-01-31T18:60",
            "2026-01-31T18:30:15+25:00",
            "2026-01-31T18:30:15+01:00Z",
            "2026-01-31X18:30",
            "31.01.2026",
            "２０２６-01-31",
            "1769884215",
            None,
            True,
            [],
            {},
            b"2026-01-31",
            float("nan"),
            float("inf"),
            1e300,
            10**400,
            1769884215000,  # milliseconds
            datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14))),
        ],
    )
    def test_refused(self, given: Any) -> None:
        with pytest.raises(ValidationError, match=r"^timestamp=.*; give a datetime, ISO-8601 text"):
            moment("timestamp", given)

    @given(st.datetimes(timezones=st.just(UTC)))
    def test_what_is_written_is_read_again(self, when: datetime) -> None:
        assert moment("x", iso(when)) == when
        assert moment("x", when.isoformat()) == when
        assert moment("x", when.replace(tzinfo=None).isoformat(" ")) == when

    @given(st.lists(st.datetimes(timezones=OFFSETS).filter(lambda when: 2 < when.year < 9998), min_size=2))
    def test_texts_sort_as_times_do(self, times: list[datetime]) -> None:
        assert [iso(when) for when in sorted(times)] == sorted(iso(when) for when in times)


class TestExpiration:
    @pytest.mark.parametrize(
        ("given", "stored", "end"),
        [
            ("2026-01-31", "2026-01-31", datetime(2026, 2, 1, tzinfo=UTC)),
            ("20260131", "2026-01-31", datetime(2026, 2, 1, tzinfo=UTC)),
            (date(2026, 1, 31), "2026-01-31", datetime(2026, 2, 1, tzinfo=UTC)),
            ("2026-01-31T00", "2026-01-31T00:00:00.000000+00:00", datetime(2026, 1, 31, tzinfo=UTC)),
            (datetime(2026, 1, 31), "2026-01-31T00:00:00.000000+00:00", datetime(2026, 1, 31, tzinfo=UTC)),
            ("2026-01-31T18:00:00+01:00", "2026-01-31T17:00:00.000000+00:00", datetime(2026, 1, 31, 17, tzinfo=UTC)),
            (1769882400, "2026-01-31T18:00:00.000000+00:00", datetime(2026, 1, 31, 18, tzinfo=UTC)),
        ],
    )
    def test_a_bare_date_stays_one_and_ends_with_its_day(self, given: Any, stored: str, end: datetime) -> None:
        assert expiration(given) == stored
        assert expires_at({"expiration_date": stored}) == end.timestamp()

    @pytest.mark.parametrize("given", ["2026-02-30", "soon", None, True, ""])
    def test_refused(self, given: Any) -> None:
        with pytest.raises(ValidationError, match=r"^expiration_date="):
            expiration(given)

    @pytest.mark.parametrize("stored", [None, "", "soon", 5, "9999-12-31"])
    def test_what_cannot_be_read_never_ends(self, stored: Any) -> None:
        assert expires_at({"expiration_date": stored}) is None
        assert expires_at({}) is None


def test_when_a_memory_was_said() -> None:
    assert said_at({"created_at": "1970-01-01T00:01:00Z"}) == 60
    assert said_at({"created_at": "long ago"}) == said_at({}) == said_at({"created_at": None}) == 0
