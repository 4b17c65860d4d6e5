"""Whatever is handed to a verb: no error but ours, nothing from outside the scope, nothing changed that was not meant.

Filters, questions, ids, texts, metadata and numbers as an attacker, a broken client or an LLM would write them, on the
embedded store and on Qdrant, which must answer alike.

`MEM0_FUZZ_EXAMPLES` is how many inputs each of the eleven tests tries, ten of them on both stores; 105,000 cases are:

    MEM0_FUZZ_EXAMPLES=5000 python -m pytest tests/test_hostile_input.py -n auto -o faulthandler_timeout=0
"""

from __future__ import annotations

import datetime
import itertools
import math
import os
import uuid
from collections.abc import Iterator
from functools import partial
from html.parser import HTMLParser
from importlib.util import find_spec
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from judge import HOSTILE_IDS, KEYS

from mem0 import Mem0Error, Memory, MemoryList
from mem0.exceptions import FilterError, MemoryNotFoundError, ValidationError
from mem0.filters import GROUPS, OPERATORS
from mem0.testing import memory
from mem0.text import clean
from mem0.types import RESERVED_KEYS

EXAMPLES = int(os.environ.get("MEM0_FUZZ_EXAMPLES", "100"))

pytestmark = pytest.mark.slow

fuzz = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
)

# -- what is handed over ------------------------------------------------------------------------------

WORDS = ["tea", "rum", "likes", "alice", "喜欢", "ß", "user_id", "1"]
SIGNS = [
    *("AND", "OR", "NOT", "NEAR(tea rum, 2)", "^", "*", "tea*", '"', '""', "'", "(", ")", "{", "}", "[", "]", ":", "+"),
    *("-", "~", "%", "_", "?", "\\", "/", ".*", "(?P<a>", "(a+)+$", "[^", "\\Q", "$ne", "$where", "$1", "{0}", "%s"),
    *("; DROP TABLE memories; --", "' OR '1'='1", "UNION SELECT payload FROM memories", "x') --", "/*", "0x61"),
    *('{"user_id": "bob"}', '"}]}', "\\u0000", "\\ud800", "\0", "\0bob", "\ud800", "\udfff", "\ufffe", "\u202e"),
    *("\n", "\r\n", "\t", "\x1b[2J", "\u2028", "<script>", "&lt;", "${jndi:ldap://x}", "{{7*7}}", "../../etc/passwd"),
    *("memories:tea", "text:bob", "rowid:1", "rank", "MATCH", "*:*", "user_id:bob", "_mem0", "payload"),
]
TEXTS = (
    st.lists(st.sampled_from([*SIGNS, *WORDS]), max_size=5).map("".join)
    | st.lists(st.sampled_from([*SIGNS, *WORDS]), max_size=8).map(" ".join)
    | st.text(st.characters(exclude_categories=()), max_size=12)
    | st.sampled_from([*SIGNS, *HOSTILE_IDS])
)
LONG = ["tea " * 25_000, "x" * 100_000, "(" * 100_000, '"' * 99_999, "喜" * 33_000, "a\u0301" * 30_000]


def seldom(large: list[Any], usual: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Draw a large one in a few of a thousand cases: it takes long.  (Small numbers would be drawn often.)"""
    return st.integers(0, 1023).flatmap(lambda at: st.just(large[at - 700]) if 700 <= at < 700 + len(large) else usual)


LONG_TEXTS = seldom(LONG, TEXTS)

NUMBERS = (
    st.integers(-3, 3)
    | st.sampled_from([2**31, 2**53, 2**63 - 1, 2**63, -(2**63) - 1, 2**64, 10**400, -(10**4000)])
    | st.floats()
    | st.sampled_from([math.nan, math.inf, -math.inf, -0.0, 5e-324, 1.8e308])
)
OBJECTS = st.sampled_from(
    [b"bob", bytearray(b"bob"), {"bob"}, frozenset({1}), range(3), object, Ellipsis, 1j, uuid.UUID(int=1), print]
) | st.sampled_from([datetime.date(2026, 3, 1), datetime.datetime(2026, 3, 1), datetime.timedelta(1), datetime.time(1)])
SCALARS = st.none() | st.booleans() | NUMBERS | TEXTS | OBJECTS


def nested(levels: int, around: Any) -> Any:
    for level in range(levels):
        around = [around] if level % 2 else {"k": around}
    return around


DEEP = st.builds(nested, st.sampled_from([5, 19, 20, 21, 60, 300]), SCALARS)
ANYTHING = st.recursive(
    SCALARS | DEEP,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(TEXTS | st.sampled_from([1, None, True, 1.5, b"k", ("a",)]), inner, max_size=3)
    ),
    max_leaves=6,
)

FILTER_KEYS = (
    st.sampled_from(
        [
            *KEYS,
            *RESERVED_KEYS,
            "n",
            "t",
            "k",
            "a.b",
            "*",
            *(word for group in GROUPS for word in (group, group.lower())),
        ]
    )
    | st.sampled_from(
        ["$or", "$and", "$not", "nOt", "", " ", "n\0", "seq", "m.user_id", "1=1", "n'--", 'n"', "user_id ", "User_id"]
    )
    | (TEXTS | st.sampled_from([1, None, True, ("a",)]))
)
OPERANDS = st.sampled_from(["alice", "bob", "*", "%", "", 1, 1.0, True, None, ["a"], [], {}]) | ANYTHING
NAMES = st.sampled_from([*OPERATORS, *OPERATORS, "$eq", "regex", "like", "GT", "", "=", "exists", "*"]) | TEXTS


@st.composite
def filters_like(draw: st.DrawFn, level: int = 0) -> Any:
    """Something close to a filter."""
    kind = draw(st.sampled_from(["values", "operators", "operators", "group", "group"]))
    if kind == "group" and level < 4:
        members = [draw(filters_like(level + 1)) for _ in range(draw(st.integers(0, 3)))]
        made = {draw(st.sampled_from(GROUPS)): members[0] if len(members) == 1 and draw(st.booleans()) else members}
        return {**made, **draw(filters_like(level + 1))} if draw(st.booleans()) else made
    if kind == "values":
        return draw(st.dictionaries(FILTER_KEYS, OPERANDS, max_size=2))
    return draw(st.dictionaries(FILTER_KEYS, st.dictionaries(NAMES, OPERANDS, max_size=2), max_size=2))


WIDE: list[dict[str, Any]] = [
    {"OR": [{} for _ in range(600)]},
    {"n": {"in": list(range(6_000))}},
    {"n": {"in": list(range(5_000))}},
    {"AND": [{"n": {"nin": [number]}} for number in range(100)]},
    {"OR": [*({"user_id": f"user {number}"} for number in range(100)), {"user_id": {"ne": "nobody"}}]},
    {f"key {number}": number for number in range(600)},
    {"t": {"contains": "x" * 100_000}},
    {"x" * 100_000: 1},
    {"t": {"x" * 100_000: 1}},
]
HOSTILE_FILTERS = seldom(WIDE, filters_like() | filters_like() | filters_like() | ANYTHING)

# -- whom it must not reach ---------------------------------------------------------------------------

OWNERS: list[dict[str, str]] = [
    {"user_id": "alice"},
    {"user_id": "alice", "agent_id": "bob"},
    {"user_id": "alice", "run_id": "*"},
    {"user_id": "bob"},
    {"user_id": "*"},
    {"user_id": "%"},
    {"user_id": "Alice"},
    {"user_id": "alice' OR 1=1"},
    {"agent_id": "alice"},
    {"run_id": "alice"},
    {},
]
METADATA: list[dict[str, Any]] = [
    {"n": 1, "t": "tea"},
    {"n": 1.0, "t": "", "k": None},
    {"n": True, "a.b": ["a", 1, None]},
    {"n": "1", "t": "TEA * %", "*": "*", "seq": 1},
    {"user_id ": "bob", "k": {"user_id": "bob"}, 'n"': "ß", "n'--": 2**60, "$or": [1]},
]


@pytest.fixture(scope="module")
def stores() -> Iterator[list[Memory]]:
    """The same memories in each store."""
    names = ["sqlite", "qdrant"] if find_spec("qdrant_client") else ["sqlite"]
    both = [opened(name) for name in names]
    yield both
    for one in both:
        one.close()


def opened(name: str) -> Memory:
    store: Any = None
    if name == "qdrant":
        pytest.importorskip("qdrant_client")
        from mem0.vector_stores.qdrant import Qdrant

        store = Qdrant(path=":memory:")
    crowded = memory(vector_store=store)
    for number, (owner, about) in enumerate(itertools.product(OWNERS, METADATA)):
        crowded.add(SAID[number], **owner, metadata=about)
    return crowded


ROWS = len(OWNERS) * len(METADATA)
SAID = [f"likes tea number {number} 喜欢茶" for number in range(ROWS)]


def _owners() -> list[dict[str, str]]:
    return [owner for owner in OWNERS for _ in METADATA]


def state(m: Memory) -> dict[str, Any]:
    found = m.get_all(limit=1_000)
    assert found.total == ROWS, "something was stored or deleted"
    return {row["id"]: row for row in found}


def inside(found: Any, scope: dict[str, str]) -> bool:
    return all(row.get(key) == value for row in found for key, value in scope.items())


def attempt(call: Any) -> Any:
    """Return what a verb returns, or the name of its error; an error that is not ours is raised."""
    try:
        return call()
    except Mem0Error as error:
        message = str(error)
        assert message
        message.encode()  # a message that cannot be printed is an error in whoever prints it
        return error


def texts(found: Any) -> list[str]:
    return sorted(row["memory"] for row in found)


# -- reading ------------------------------------------------------------------------------------------

SCOPES: list[dict[str, str]] = [{"user_id": "alice"}, {"user_id": "*"}, {"agent_id": "alice"}, {"run_id": "*"}]


@fuzz
@given(filters=HOSTILE_FILTERS, scope=st.sampled_from(SCOPES), as_handle=st.booleans(), query=TEXTS)
def test_no_filter_widens_a_scope(
    stores: list[Memory], filters: Any, scope: dict[str, str], as_handle: bool, query: str
) -> None:
    before = repr(filters)
    answers: list[Any] = []
    for m in stores:
        target, ids = (m.scope(**scope), {}) if as_handle else (m, scope)
        everything = sorted(SAID[number] for number, owner in enumerate(_owners()) if inside([owner], scope))
        found = attempt(lambda target=target, ids=ids: target.get_all(**ids, filters=filters, limit=1000))
        searched = attempt(
            lambda target=target, ids=ids: target.search(f"tea {query}", **ids, filters=filters, limit=1000)
        )
        if isinstance(found, Mem0Error):
            assert isinstance(found, ValidationError)
            assert type(searched) is type(found)
            answers.append((type(found), str(found)))
        else:
            assert inside(found, scope)
            assert inside(searched, scope)
            assert texts(found) == texts(searched)
            assert found.total == len(found)
            answers.append(texts(found))
            complement = attempt(lambda target=target, ids=ids: target.get_all(**ids, filters={"NOT": [filters]}))
            if isinstance(filters, dict) and not isinstance(complement, Mem0Error) and not set(KEYS) & set(filters):
                assert inside(complement, scope)
                assert sorted(texts(complement) + texts(found)) == everything
    assert all(answer == answers[0] for answer in answers)
    assert repr(filters) == before


@fuzz
@given(filters=HOSTILE_FILTERS, query=TEXTS)
def test_a_filter_without_a_scope_raises_ours_or_finds_what_the_other_store_finds(
    stores: list[Memory], filters: Any, query: str
) -> None:
    answers = []
    for m in stores:
        found = attempt(lambda m=m: m.get_all(filters=filters, limit=1000))
        answers.append(type(found) if isinstance(found, Mem0Error) else texts(found))
        if not isinstance(found, Mem0Error):
            assert texts(m.search(f"tea {query}", filters=filters, limit=1000)) == texts(found)
    assert all(answer == answers[0] for answer in answers)


@fuzz
@given(query=LONG_TEXTS, scope=st.sampled_from(SCOPES), as_handle=st.booleans(), limit=st.sampled_from([1, 3, 1000]))
def test_no_question_widens_a_scope(
    stores: list[Memory], query: str, scope: dict[str, str], as_handle: bool, limit: int
) -> None:
    for m in stores:
        target, ids = (m.scope(**scope), {}) if as_handle else (m, scope)
        everything = {row["id"]: row for row in target.get_all(**ids, limit=1000)}
        found = target.search(query, **ids, limit=limit, explain=limit == 3)
        assert inside(found, scope)
        assert len({row["id"] for row in found}) == len(found)
        assert len(found) == (min(limit, len(everything)) if query.strip() else 0)
        for row in found:
            assert 0 <= row["score"] <= 1
            assert {key: value for key, value in row.items() if key not in ("score", "explain")} == everything[
                row["id"]
            ]


@fuzz
@given(value=ANYTHING, key=st.sampled_from(KEYS), verb=st.sampled_from(["get_all", "search", "filter", "in", "scope"]))
def test_an_id_is_itself_or_refused(stores: list[Memory], value: Any, key: str, verb: str) -> None:
    calls = {
        "get_all": lambda m: m.get_all(**{key: value}, limit=1000),
        "search": lambda m: m.search("tea", **{key: value}, limit=1000),
        "filter": lambda m: m.get_all(filters={key: value}, limit=1000),
        "in": lambda m: m.get_all(filters={key: {"in": [value, value]}}, limit=1000),
        "scope": lambda m: m.scope(**{key: value}).get_all(limit=1000),
    }
    for m in stores:
        found = attempt(lambda m=m: calls[verb](m))
        if isinstance(found, Mem0Error):
            assert isinstance(found, ValidationError)
        elif value is None:
            assert verb != "filter"
            assert found.total == (0 if verb == "in" else ROWS)
        elif verb != "filter" or not isinstance(value, dict):
            assert all(row[key] == str(value) for row in found)


@fuzz
@given(
    value=ANYTHING,
    name=st.sampled_from(["limit", "top_k", "offset", "threshold", "query", "rerank", "explain", "show_expired"]),
)
def test_numbers_and_switches(stores: list[Memory], value: Any, name: str) -> None:
    for m in stores:
        if name == "query":
            found = attempt(lambda m=m: m.search(value, user_id="alice"))
        elif name in ("limit", "offset", "top_k"):
            found = attempt(lambda m=m: m.get_all("alice", **{name: value}))
        else:
            found = attempt(lambda m=m: m.search("tea", "alice", **{name: value}))
        assert isinstance(found, Mem0Error) or inside(found, {"user_id": "alice"})
        if name in ("limit", "top_k", "threshold"):
            searched = attempt(lambda m=m: m.search("tea", "alice", **{name: value}))
            assert isinstance(searched, Mem0Error) or inside(searched, {"user_id": "alice"})


# -- writing ------------------------------------------------------------------------------------------


@fuzz
@given(
    id=ANYTHING,
    verb=st.sampled_from(["get", "history", "update", "metadata", "delete", "purge"]),
    as_handle=st.booleans(),
)
def test_an_id_of_no_memory_names_nothing(stores: list[Memory], id: Any, verb: str, as_handle: bool) -> None:
    for m in stores:
        target = m.scope(user_id="alice") if as_handle else m
        calls = {
            "get": lambda target=target: target.get(id),
            "history": lambda target=target: target.history(id),
            "update": lambda target=target: target.update(id, "changed"),
            "metadata": lambda target=target: target.update(id, metadata={"n": 2}),
            "delete": lambda target=target: target.delete(id),
            "purge": lambda target=target: target.delete(id, purge=True),
        }
        before = state(m)
        found = attempt(calls[verb])
        is_id = isinstance(id, (str, uuid.UUID)) and bool(id)
        if verb in ("get", "history") and is_id:
            assert not found
        else:
            assert isinstance(found, MemoryNotFoundError if is_id else ValidationError)
        assert state(m) == before


@fuzz
@given(id=ANYTHING, as_handle=st.booleans(), purge=st.booleans(), key=st.sampled_from(KEYS))
def test_deleting_a_hostile_scope_deletes_that_scope(
    stores: list[Memory], id: Any, as_handle: bool, purge: bool, key: str
) -> None:
    if isinstance(id, str) and id in {owner.get(key) for owner in OWNERS}:
        id += "x"
    for m in stores:
        result = attempt(
            lambda m=m: (
                m.scope(**{key: id}).delete_all(purge=purge) if as_handle else m.delete_all(**{key: id}, purge=purge)
            )
        )
        assert isinstance(result, ValidationError) or (result["deleted"], result["failed"]) == (0, [])
        state(m)


@fuzz
@given(text=LONG_TEXTS, about=st.dictionaries(TEXTS, ANYTHING, max_size=3), owner=st.sampled_from(OWNERS[:8]))
def test_what_is_kept_comes_back_as_it_was_said(
    stores: list[Memory], text: str, about: dict[Any, Any], owner: dict[str, str]
) -> None:
    for m in stores:
        before = state(m)
        kept = attempt(lambda m=m: m.add(text, **owner, run_id="new", metadata=about) if "run_id" not in owner else [])
        if isinstance(kept, Mem0Error):
            assert isinstance(kept, ValidationError)
            kept = m.add(text, **owner, run_id="new")
        try:
            assert len(kept) == (bool(text.strip()) and "run_id" not in owner)
            for change in kept:
                row = m.get(change["id"])
                assert row is not None
                assert (row["memory"], row["run_id"], row["user_id"]) == (clean(text), "new", owner["user_id"])
                assert set(row) & set(KEYS) == {*owner, "run_id"}
                assert row["metadata"] in ({}, about) or "(" in repr(about)  # tuples come back as lists
                assert m.get_all(run_id="new") == [row]
                assert [found["id"] for found in m.search(text, run_id="new")] == [row["id"]]
                assert [event["new_value"] for event in m.history(row["id"])] == [clean(text)]
                changed = m.update(
                    row["id"],
                    f"{text[::-1]}!",
                    metadata={"n": text[:100].replace("\ud800", "")} if clean(text) == text else None,
                )
                assert m.get(row["id"]) == changed
                assert set(changed) & set(KEYS) == {*owner, "run_id"}
        finally:
            assert m.delete_all(run_id="new", purge=True)["deleted"] == len(kept)
        assert state(m) == before


@fuzz
@given(
    messages=ANYTHING
    | st.lists(
        st.fixed_dictionaries({"role": TEXTS | SCALARS, "content": ANYTHING}, optional={"name": SCALARS}), max_size=3
    )
    | st.lists(TEXTS, max_size=4),
    name=st.sampled_from(["metadata", "filters", "prompt", "infer", "timestamp", "expiration_date", "memory_type"]),
    value=ANYTHING,
    with_value=st.booleans(),
)
def test_messages_and_arguments_of_add(
    stores: list[Memory], messages: Any, name: str, value: Any, with_value: bool
) -> None:
    for m in stores:
        before = state(m)
        owner = {"user_id": "mallory", "agent_id": "new"}
        arguments = {name: value} if with_value else {}
        found = attempt(partial(m.add, messages, **owner, **arguments))
        if isinstance(found, Mem0Error):
            assert state(m) == before
            continue
        try:
            rows = m.get_all("mallory", limit=1000, show_expired=True)
            assert {row["id"] for row in rows} == {change["id"] for change in found}
            assert all({key: row.get(key) for key in KEYS} == {**owner, "run_id": None} for row in rows)
        finally:
            m.delete_all(user_id="mallory")
        assert state(m) == before


@fuzz
@given(
    verb=st.sampled_from(["add", "search", "get_all", "update", "delete", "delete_all", "history"]),
    name=TEXTS,
    value=SCALARS,
)
def test_an_unknown_keyword_is_a_type_error(stores: list[Memory], verb: str, name: str, value: Any) -> None:
    for m in stores:
        with pytest.raises(TypeError):
            getattr(m, verb)("tea", **{f"{name}_": value})


# -- showing ------------------------------------------------------------------------------------------


class _Page(HTMLParser):
    """What a browser sees: the tags, whether one has attributes, and the text."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: set[str] = set()
        self.attributes: list[Any] = []
        self.cells: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[Any]) -> None:
        self.tags.add(tag)
        self.attributes += attrs
        if tag == "td":
            self.cells.append("")

    def handle_data(self, data: str) -> None:
        if self.cells:
            self.cells[-1] += data

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data!r}")

    handle_decl = handle_pi = unknown_decl = handle_comment


MARKUP = st.lists(
    st.sampled_from(
        [
            *(
                "<script>alert(1)</script>",
                "<img src=x onerror=alert(1)>",
                '" onmouseover="x',
                "' x='",
                "</td>",
                "</table>",
            ),
            *(
                "<!--",
                "-->",
                "]]>",
                "<?php",
                "<svg/onload=x>",
                "&lt;",
                "&#60;",
                "&amp;",
                "<",
                ">",
                '"',
                "'",
                "`",
                "tea",
            ),
            *(
                "<\0script>",
                "＜script＞",
                "javascript:x",
                "{{x}}",
                "\n",
                "$x$",
                "<b",
                "\u202e",
                "</script>",
                "<plaintext>",
            ),
        ]
    )
    | TEXTS,
    max_size=5,
).map("".join)


@fuzz
@given(text=MARKUP, other=MARKUP, owner=MARKUP, key=MARKUP, id=MARKUP, event=MARKUP)
def test_what_is_stored_is_text_on_a_page(
    stores: list[Memory], text: str, other: str, owner: str, key: str, id: str, event: str
) -> None:
    m = stores[0]
    text, other = f"a{text}", f"b{other}"
    who = {"user_id": owner}
    if isinstance(attempt(lambda: m.scope(**who)), ValidationError):
        who = {"user_id": "<b>"}
    about: dict[str, Any] = {"where": text}
    if not isinstance(attempt(lambda: m.get_all(filters={key: 1})), FilterError) and key not in RESERVED_KEYS:
        about[key] = other if clean(other) == other else ""
    if clean(text) != text:
        about["where"] = "<i>"
    try:
        added = m.add(text, **who, agent_id="html", metadata=about)
        _looked_at(added)
        _looked_at(m.search(f"{text} tea", **who, agent_id="html", explain=True))
        _looked_at(m.get_all(**who, agent_id="html"))
    finally:
        m.delete_all(agent_id="html")
    # Rows of other programs have ids of any kind.
    made: MemoryList[Any] = MemoryList(
        [{"id": id, "memory": text, "event": event, "score": 0.5, "user_id": owner, key: other, "metadata": about}]
    )
    _looked_at(made)
    _looked_at(MemoryList([{"id": [id], "memory": {key: text}, "created_at": 1, "score": text, "event": None}]))


def _looked_at(found: MemoryList[Any]) -> None:
    html = found._repr_html_()
    page = _Page()
    page.feed(html)
    page.close()
    assert page.tags <= {"table", "thead", "tbody", "tr", "th", "td"}
    assert page.attributes == []
    assert html.count("<td>") == len(page.cells)
    assert html.count("<tr>") == len(found) + 1
    for row in found:
        if isinstance(row["memory"], str) and "\0" not in row["memory"] and "\r" not in row["memory"]:
            assert row["memory"] in page.cells


# -- what cannot even be shown ------------------------------------------------------------------------

HUGE = 10**5_000
CALLS: dict[str, Any] = {
    "user_id": lambda m, value: m.get_all(user_id=value),
    "filters id": lambda m, value: m.get_all(filters={"user_id": value}),
    "operator": lambda m, value: m.get_all(filters={"n": {value: 1}}),
    "limit": lambda m, value: m.get_all(limit=-value),
    "offset": lambda m, value: m.get_all(offset=-value),
    "threshold": lambda m, value: m.search("tea", threshold=value),
    "query": lambda m, value: m.search(value),
    "get": lambda m, value: m.get(value),
    "text": lambda m, value: m.update("x", value),
    "metadata": lambda m, value: m.add("tea", metadata={"n": value}),
    "metadata key": lambda m, value: m.add("tea", metadata={value: 1}),
    "timestamp": lambda m, value: m.add("tea", timestamp=value),
    "expiration_date": lambda m, value: m.add("tea", expiration_date=value),
    "memory_type": lambda m, value: m.add("tea", memory_type=value),
    "role": lambda m, value: m.add([{"role": value, "content": "tea"}]),
    "name": lambda m, value: m.add([{"role": "user", "name": value, "content": "tea"}]),
}


@pytest.mark.parametrize("argument", CALLS)
def test_a_number_of_five_thousand_digits_is_refused_by_ours(argument: str) -> None:
    with memory() as m, pytest.raises(Mem0Error):
        CALLS[argument](m, HUGE)


@pytest.mark.parametrize("argument", ["n", "created_at", "user_id in"])
def test_as_a_value_of_a_filter_it_is_refused(argument: str) -> None:
    filters = {"user_id": {"in": [HUGE]}} if argument == "user_id in" else {argument: HUGE}
    with memory() as m, pytest.raises(FilterError):
        m.get_all(filters=filters)


@pytest.mark.parametrize("when", ["2026-01-01T00:00:00Z", datetime.datetime(2026, 1, 1)])
@pytest.mark.parametrize("operator", ["in", "nin"])
def test_a_tuple_of_times_is_what_a_list_of_them_is(operator: str, when: Any) -> None:
    with memory() as m:
        m.add("likes tea", user_id="alice")
        m.add("likes rum", user_id="alice", timestamp=5)
        with_list, with_tuple = (
            m.get_all("alice", filters={"created_at": {operator: values}}) for values in ([when], (when,))
        )
        assert with_tuple == with_list
