"""Whatever is done, in whatever order, by whomever: nothing outside a scope is ever returned, changed or deleted.

Hypothesis chooses the steps and :class:`judge.Judge`, plain dicts and lists, says what must be there after each: on the
embedded store, on Qdrant, and on a store of which somebody wrote the nine verbs only.

`MEM0_FUZZ_EXAMPLES` is how many runs of up to `MEM0_FUZZ_STEPS` steps each machine makes:

    MEM0_FUZZ_EXAMPLES=1000 MEM0_FUZZ_STEPS=50 python -m pytest tests/test_stateful_isolation.py -n auto
"""

from __future__ import annotations

import asyncio
import inspect
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from copy import deepcopy
from datetime import datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from judge import HOSTILE_IDS, KEYS, Judge, Kept, covers

from mem0 import AsyncMemory
from mem0.exceptions import DuplicateMemoryError, MemoryNotFoundError, ValidationError
from mem0.history.sqlite import SQLiteManager
from mem0.testing import FrozenClock, ScriptedLLM, async_memory, memory

sys.path.insert(0, str(Path(__file__).parents[1] / "examples/plugin/src"))

from mem0_example_plugin.store import TableStore, TableStoreConfig
from plain_store import PlainStore

EXAMPLES = int(os.environ.get("MEM0_FUZZ_EXAMPLES", "8"))
STEPS = int(os.environ.get("MEM0_FUZZ_STEPS", "25"))

# The first ones say the same as one another; the last ones mean something to an index, a query or a template.
TEXTS = [
    *("tea", "Tea.", " TEA ", "“tea”", "tea!?", "t e a", "C", "C++", "-5", "5", "straße", "STRASSE", "strasse"),
    *(
        "喜欢茶",
        "喜歡茶",
        "ﬁsh",
        "fish",
        "a\0b",
        "a\0c",
        "\ud800",
        "\ufffd",
        '"',
        "*",
        "tea*",
        "tea OR rum",
        "tea NOT tea",
    ),
    *('text:"tea"', "NEAR(tea rum)", "' OR 1=1 --", '{"memory": []}', "<script>", "{0}", "%s", "user_id: b", "\n"),
]
QUERIES = [
    "tea",
    "rum tea",
    "C++",
    "喜欢",
    '"',
    "*",
    "a\0b",
    "' OR 1=1",
    "NOT tea",
    "^tea",
    "tea AND (",
    "\ud800",
    "😀",
]

#: Of each key: no id, or one of those of this run, and where it is said; or as a memory that is or was there has them.
PLACES = ("handle", "argument", "both", "filter", "filter eq")
SOMEBODY = st.tuples(*(st.none() | st.tuples(st.integers(0, 3), st.sampled_from(PLACES)) for _ in KEYS))
LIKE = st.tuples(st.integers(0, 1000), st.sampled_from([7, 7, 7, *range(1, 7)]), st.sampled_from(PLACES))
WHOM = SOMEBODY | LIKE.map(lambda like: {"like": like})
TEXT = st.sampled_from(TEXTS[:6]) | st.sampled_from(TEXTS)
SOME_TEXTS = st.lists(st.tuples(TEXT, st.sampled_from(["user", "assistant"])), min_size=1, max_size=3)
VALUE = st.sampled_from([1, 2, 1.0, True, False, None, "a", "A", "*", "", [], ["a"], ["a", 1]])
METADATA = st.dictionaries(st.sampled_from(["n", "t", "a.b", '"', "*"]), VALUE, max_size=2)
WHICH = st.integers(0, 1000)
LATER = st.none() | st.integers(1, 4)


@st.composite
def filters(draw: st.DrawFn, level: int = 0) -> dict[str, Any]:
    """A filter; ids are told by number, and replaced by those of the run."""
    kind = draw(st.sampled_from(["id", "id", "value", "value", "has", "AND", "OR", "OR", "NOT", "NOT this", "two"]))
    if level == 2 or kind in ("id", "value", "has"):
        key = draw(st.sampled_from(KEYS))
        one = {"id number": draw(st.integers(0, 4))}
        several = [{"id number": number} for number in draw(st.lists(st.integers(0, 4), max_size=3))]
        if kind == "id":
            # An id by itself would be part of the scope; those are WHOM's.
            operator = draw(st.sampled_from(["ne", "in", "nin", "gte", "lt", "contains", "icontains"]))
            return {key: {operator: several if operator in ("in", "nin") else one}}
        key = draw(st.sampled_from(["n", "t", "a.b", '"', "*", "none"]))
        if kind == "has":
            return {key: "*"}
        operator = draw(st.sampled_from(["eq", "ne", "in", "nin", "contains", "gt", "lte"]))
        value: Any = draw(VALUE)
        if operator in ("in", "nin"):
            value = [value, draw(VALUE)]
        elif operator not in ("eq", "ne") and (value is None or isinstance(value, (bool, list))):
            value = "a"
        return {key: {operator: value}}
    if kind == "NOT this":
        return {"NOT": draw(filters(level + 1))}
    if kind == "two":
        return {**draw(filters(level + 1)), **draw(filters(level + 1))}
    return {kind: draw(st.lists(filters(level + 1), max_size=3))}


FILTERS = st.none() | filters()

#: What an LLM wants: an event, of which memory (its own, a stranger's, a number that was or was not offered), a text.
WISH = st.tuples(
    st.sampled_from(["ADD", "UPDATE", "DELETE", "NONE"]),
    st.sampled_from(["own", "stranger", "owner's id", "number", "far", "none"]),
    WHICH,
    TEXT,
)


class Isolation(RuleBasedStateMachine):
    """Users, agents and runs with hostile ids, and every verb; a layout below says where the memories lie."""

    knows_insertion: ClassVar[bool] = True
    is_embedded: ClassVar[bool] = True
    strategy: ClassVar[str] = "single_pass"
    memories_open: ClassVar[int] = 1

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="mem0-isolation-"))
        self.clock = FrozenClock("2026-03-01T12:00:00Z")
        self.judge = Judge()
        self.ids: list[str] = []
        self.shared: dict[str, Any] = {}
        self.opened = [self.open() for _ in range(self.memories_open)]
        self.turn = 0
        # Another collection of the same store and history, with the same texts and owners.
        self.neighbours: list[Any] = []

    # -- where the memories lie ---------------------------------------------------------------------

    def arguments(self) -> dict[str, Any]:
        return {}

    def open(self) -> Any:
        config = {"add_strategy": self.strategy}
        return memory(config, clock=self.clock, **self.arguments())

    @property
    def m(self) -> Any:
        """One of the memories that are open on the same store; each step takes another."""
        return self.opened[self.turn % len(self.opened)]

    def teardown(self) -> None:
        try:
            if self.neighbours:
                assert self.elsewhere() == self.neighbours
        finally:
            for opened in self.opened:
                opened.close()
            for part in self.shared.values():
                part.close()
            shutil.rmtree(self.folder)

    def elsewhere(self) -> list[Any]:
        m, name = self.m, self.m.collection_name
        m.collection_name = "elsewhere"
        try:
            rows = sorted(m.get_all(limit=1000), key=lambda row: row["id"])
            return [(row, m.history(row["id"])) for row in rows]
        finally:
            m.collection_name = name

    # -- who calls ----------------------------------------------------------------------------------

    @initialize(ids=st.lists(st.sampled_from(HOSTILE_IDS), min_size=3, max_size=4, unique=True))
    def settle(self, ids: list[str]) -> None:
        # One pool for users, agents and runs, so that an id of one key is one of the others too.
        self.ids = ids
        self.m.collection_name = "elsewhere"
        for key in KEYS:
            self.m.add(["tea", "rum"], **{key: ids[0]})
        self.m.collection_name = "mem0"
        self.neighbours = self.elsewhere()
        assert len(self.neighbours) == 6

    def id(self, number: int) -> str:
        return self.ids[number % len(self.ids)]

    def called(self, whom: Any, *, with_filters: bool = True) -> tuple[Any, dict[str, Any], dict[str, Any], Any]:
        """Return on what a verb is called, the ids it is given, those in its filters, and the scope all this means."""
        self.turn += 1
        target, given, inside, scope = self.m, {}, {}, {}
        for key, said in self.spelled(whom).items():
            id, place = said
            if place.startswith("filter") and not with_filters:
                place = "argument"
            scope[key] = id
            if place in ("handle", "both"):
                target = target.scope(**{key: id})
            if place in ("argument", "both"):
                given[key] = id
            if place == "filter":
                inside[key] = id
            if place == "filter eq":
                inside[key] = {"eq": id}
        return target, given, inside, scope

    def spelled(self, whom: Any) -> dict[str, tuple[str, str]]:
        """Return the ids of a call by key, each with the place where it is said."""
        if not isinstance(whom, dict):
            return {key: (self.id(said[0]), said[1]) for key, said in zip(KEYS, whom, strict=True) if said}
        which, mask, place = whom["like"]
        owners = [*self.judge.owners.values()] or [{}]
        owner = owners[which % len(owners)]
        return {key: (owner[key], place) for bit, key in enumerate(KEYS) if key in owner and mask >> bit & 1}

    def named(self, template: Any) -> Any:
        """Return a filter with the ids of this run; a number beyond them is one that nobody has."""
        if isinstance(template, dict):
            if "id number" in template:
                number = template["id number"]
                return self.ids[number] if number < len(self.ids) else "nobody"
            return {key: self.named(value) for key, value in template.items()}
        return [self.named(value) for value in template] if isinstance(template, list) else template

    def chosen(self, which: int) -> str:
        """Return the id of a memory that is or was there, or what only looks like one."""
        known = [*self.judge.owners, *self.ids, "*", "%", "0", "None", "00000000-0000-0000-0000-000000000000"]
        return known[which % len(known)]

    def bound(self, whom: Any) -> tuple[Any, dict[str, Any]]:
        """Return a handle (or the memory itself), and its scope."""
        scope = {key: id for key, (id, _) in self.spelled(whom).items()}
        self.turn += 1
        return self.m.scope(**scope) if scope else self.m, scope

    @property
    def now(self) -> datetime:
        return self.clock()

    # -- writing ------------------------------------------------------------------------------------

    @rule(minutes=st.sampled_from([0, 1, 20, 90]))
    def time_passes(self, minutes: int) -> None:
        self.clock.advance(minutes=minutes)

    @rule(
        whom=WHOM,
        said=SOME_TEXTS,
        metadata=METADATA,
        ago=st.sampled_from([0, 0, 0, 60, 7200]),
        ends=LATER,
        dry_run=st.sampled_from([False, False, False, True]),
    )
    def add(self, whom: Any, said: Any, metadata: dict[str, Any], ago: int, ends: int | None, dry_run: bool) -> None:
        target, given, _, owner = self.called(whom, with_filters=False)
        created = self.now - timedelta(seconds=ago)
        until = None if ends is None else self.now + timedelta(hours=ends)
        changes = target.add(
            [{"role": role, "content": text} for text, role in said],
            **given,
            metadata=metadata,
            timestamp=created if ago else None,
            expiration_date=until,
            dry_run=dry_run,
            infer=False,
        )
        judge = deepcopy(self.judge) if dry_run else self.judge
        texts = [(text.replace("\ud800", "\ufffd"), role) for text, role in said if text.strip()]
        assert len(changes) == len(texts)
        for change, (text, role) in zip(changes, texts, strict=True):
            same = judge.same(owner, text, role, until, self.now)
            if same:
                assert change["event"] == "NONE"
                assert change["id"] in [row.id for row in same]
                assert change["memory"] == judge.rows[change["id"]].text
            else:
                assert (change["event"], change["memory"]) == ("ADD", text)
                self._new(judge, change["id"], owner, text, role, metadata, created, until)

    def _new(
        self,
        judge: Judge,
        id: str,
        owner: dict[str, str],
        text: str,
        role: str | None,
        metadata: dict[str, Any],
        created: datetime,
        until: datetime | None,
    ) -> None:
        judge.count += 1
        judge.add(Kept(id, dict(owner), text, role, dict(metadata), created, created, until, judge.count))

    @rule(whom=WHOM, key=st.sampled_from([*KEYS, "_mem0", "actor_id", "created_at"]), id=WHICH, update=st.booleans())
    def whose_it_is_cannot_be_written_by_hand(self, whom: Any, key: str, id: int, update: bool) -> None:
        target, given, _, _ = self.called(whom, with_filters=False)
        metadata = {"n": 1, key: self.id(id)}
        with pytest.raises(ValidationError, match=key):
            target.update(self.chosen(id), metadata=metadata) if update else target.add(
                "mine now", **given, metadata=metadata
            )

    @rule(
        whom=WHOM,
        inside=FILTERS,
        wishes=st.lists(WISH, max_size=4),
        metadata=METADATA,
        as_of=st.sampled_from(["user_id", "metadata", "filters", "memory_id"]),
    )
    def add_with_an_llm(self, whom: Any, inside: Any, wishes: Any, metadata: dict[str, Any], as_of: str) -> None:
        """The LLM writes ids where it can, names memories it was not offered, and strangers' ones."""
        target, given, top, scope = self.called(whom)
        owner = {key: value for key, value in scope.items() if key not in top}
        narrowed = joined(self.named(inside), top)
        reading = self.judge.within(scope, self.named(inside), self.now)
        allowed = [row.id for row in reading]
        strangers = [id for id in self.judge.owners if id not in allowed]
        entries: list[dict[str, Any]] = []
        refused = 0
        for event, aim, which, text in wishes:
            pool = {"own": allowed, "stranger": strangers, "owner's id": self.ids, "far": [str(len(allowed) + which)]}
            ids = pool.get(aim, [str(which % 3)])
            entry: dict[str, Any] = {"event": event, "text": text}
            if aim != "none" and ids:
                entry["memory_id" if as_of == "memory_id" else "id"] = ids[which % len(ids)]
            if as_of != "memory_id":
                entry[as_of] = self.id(which) if as_of == "user_id" else {"user_id": self.id(which)}
            entries.append(entry)
            has_text = event in ("DELETE", "NONE") or text.strip()
            named = entry.get("id", entry.get("memory_id"))
            unknown = named not in allowed and not (named or "").isdigit()
            refused += bool(event in ("UPDATE", "DELETE") and named and has_text and (unknown or aim == "far"))
        llm = self.m.llm = ScriptedLLM([{"memory": [*entries, {"event": "NONE"}]}])
        if self.strategy == "two_pass":
            tools = {"ADD": "add_memory", "UPDATE": "update_memory", "DELETE": "delete_memory"}
            calls = [
                {"name": tools[entry["event"]], "arguments": {**entry, "data": entry["text"], "event": None}}
                for entry in entries
                if entry["event"] in tools
            ]
            calls.append({"name": "add_memory", "arguments": {"data": "rum"}})  # or nothing could be used
            llm.replies = [{"facts": ["tea"]}, {"tool_calls": calls}]
        try:
            changes = target.add("tea?", **given, filters=narrowed, metadata=metadata)
        finally:
            self.m.llm = None
        reasons = [rejected["reason"] for rejected in changes.rejected]
        assert sum("not offered" in reason for reason in reasons) >= refused, (changes.rejected, entries)
        for change in changes:
            id, event = change["id"], change["event"]
            if event == "ADD":
                assert id not in self.judge.owners
                self._new(self.judge, id, owner, change["memory"], None, metadata, self.now, None)
            elif event == "NONE":
                # Either of what was offered, or of the identity that the memory would have had.
                assert id in allowed or covers(owner, self.judge.owners[id])
                assert id in self.judge.rows
            else:
                assert id in allowed, f"{event} of a memory that is not in the scope"
                assert change["previous_memory"] == self.judge.rows[id].text
                if event == "DELETE":
                    self.judge.delete(id)
                else:
                    self.judge.update(id, change["memory"], metadata, self.now)
                    self.judge.rows[id].role = None

    @rule(whom=WHOM, which=WHICH, text=st.none() | TEXT, metadata=st.none() | METADATA)
    def update(self, whom: Any, which: int, text: str | None, metadata: dict[str, Any] | None) -> None:
        target, scope = self.bound(whom)
        id = self.chosen(which)
        row = self.judge.rows.get(id)

        def call() -> Any:
            return target.update(id, text, metadata=metadata)

        if (text is None and metadata is None) or (text is not None and not text.strip()):
            with pytest.raises(ValidationError):
                call()
            return
        if row is None or not covers(scope, row.owner):
            with pytest.raises(MemoryNotFoundError):
                call()
            return
        new = row.text if text is None else text.replace("\ud800", "\ufffd")
        judge = deepcopy(self.judge)
        judge.update(id, new, metadata or {}, self.now)
        after = judge.rows[id]
        if (repr(after.text), repr(after.metadata)) == (repr(row.text), repr(row.metadata)):
            assert call() == row.as_told()  # nothing to change, and so nothing in the history
            return
        others = [one for one in self.judge.same(row.owner, new, row.role, row.ends, self.now) if one.id != id]
        if others and new != row.text:
            with pytest.raises(DuplicateMemoryError) as caught:
                call()
            assert any(repr(one.id) in str(caught.value) for one in others)
            return
        assert call() == after.as_told()
        self.judge = judge

    @rule(whom=WHOM, which=WHICH, purge=st.booleans())
    def delete(self, whom: Any, which: int, purge: bool) -> None:
        target, scope = self.bound(whom)
        id = self.chosen(which)
        is_there = id in self.judge.rows and covers(scope, self.judge.rows[id].owner)
        was_there = purge and bool(self.judge.history(id, scope))
        if not is_there and not was_there:
            with pytest.raises(MemoryNotFoundError):
                target.delete(id, purge=purge)
            return
        result = target.delete(id, purge=purge)
        assert (result["deleted"], result["failed"]) == (int(is_there), [])
        if purge:
            assert self._receipt(result) == (int(is_there), self.judge.purge([id]))
        else:
            self.judge.delete(id)

    @rule(whom=WHOM, purge=st.booleans())
    def delete_all(self, whom: Any, purge: bool) -> None:
        target, given, _, scope = self.called(whom, with_filters=False)
        if not scope:
            with pytest.raises(ValidationError):
                target.delete_all(purge=purge)
            return
        gone = [row.id for row in self.judge.within(scope)]
        result = target.delete_all(**given, purge=purge)
        assert (result["deleted"], result["failed"]) == (len(gone), [])
        if purge:
            assert self._receipt(result) == (len(gone), self.judge.purge(self.judge.everybody(scope)))
        else:
            for id in gone:
                self.judge.delete(id)

    def _receipt(self, result: Any) -> tuple[int, int]:
        receipt = result["receipt"]
        assert receipt["complete"] is self.is_embedded
        return receipt["memories"], receipt["history_rows"]

    @precondition(lambda self: len(self.judge.owners) > 6)
    @rule(whom=WHOM, purge=st.booleans(), sure=st.sampled_from([False, False, False, True]))
    def reset(self, whom: Any, purge: bool, sure: bool) -> None:
        target, scope = self.bound((None, None, None) if sure else whom)
        if scope:
            with pytest.raises(ValidationError, match="scope handle"):
                target.reset(purge=purge)
        elif sure:
            result = target.reset(purge=purge)
            assert result["deleted"] == len(self.judge.rows)
            removed = self.judge.purge([*self.judge.owners])
            if purge:
                assert self._receipt(result) == (result["deleted"], removed)

    # -- reading ------------------------------------------------------------------------------------

    @rule(whom=WHOM, inside=FILTERS, expired=st.booleans(), limit=st.integers(1, 4), offset=st.integers(0, 3))
    def get_all(self, whom: Any, inside: Any, expired: bool, limit: int, offset: int) -> None:
        target, given, top, scope = self.called(whom)
        inside = self.named(inside)
        expected = self.judge.within(scope, inside, None if expired else self.now)
        arguments = {**given, "filters": joined(inside, top), "show_expired": expired}
        self._same(target.get_all(**arguments), expected)
        page = target.get_all(**arguments, limit=limit, offset=offset)
        assert page.total == len(expected)
        whole = {row.id: row.as_told() for row in expected}
        assert all(row == whole[row["id"]] for row in page)
        wanted = [row.as_told() for row in expected][offset : offset + limit]
        assert [row["created_at"] for row in page] == [row["created_at"] for row in wanted]
        if self.knows_insertion:
            assert page == wanted

    @rule(
        whom=WHOM,
        inside=FILTERS,
        query=st.sampled_from([*QUERIES, *TEXTS]),
        expired=st.booleans(),
        limit=st.integers(1, 4),
    )
    def search(self, whom: Any, inside: Any, query: str, expired: bool, limit: int) -> None:
        target, given, top, scope = self.called(whom)
        inside = self.named(inside)
        expected = self.judge.within(scope, inside, None if expired else self.now) if query.strip() else []
        whole = {row.id: row.as_told() for row in expected}
        arguments = {**given, "filters": joined(inside, top), "show_expired": expired}
        for most in (1000, limit):
            found = target.search(query, **arguments, limit=most)
            told = {row["id"]: {key: value for key, value in row.items() if key != "score"} for row in found}
            assert len(told) == len(found) == min(most, len(whole))
            assert all(told[id] == whole[id] for id in told)
            assert all(0 <= row["score"] <= 1 for row in found)

    @rule(whom=WHOM, which=WHICH)
    def get(self, whom: Any, which: int) -> None:
        target, scope = self.bound(whom)
        id = self.chosen(which)
        row = self.judge.rows.get(id)
        expected = row.as_told() if row is not None and covers(scope, row.owner) else None
        assert target.get(id) == expected
        told = [(one["event"], one["prev_value"], one["new_value"], one["is_deleted"]) for one in target.history(id)]
        assert told == self.judge.history(id, scope)

    @rule(whom=WHOM, key=st.sampled_from(KEYS), inside=st.booleans())
    def a_handle_cannot_be_talked_out_of_its_scope(self, whom: Any, key: str, inside: bool) -> None:
        target, scope = self.bound(whom)
        other = next(id for id in self.ids if id != scope.get(key))
        if key not in scope:
            return
        calls: list[Callable[[], Any]] = [
            lambda: target.scope(**{key: other}),
            lambda: target.get_all(filters={key: other}) if inside else target.get_all(**{key: other}),
            lambda: (
                target.search("tea", filters={key: {"eq": other}}) if inside else target.search("t", **{key: other})
            ),
            lambda: target.add("tea", filters={key: other}) if inside else target.add("tea", **{key: other}),
            lambda: target.delete_all(**{key: other}),
        ]
        for call in calls:
            with pytest.raises(ValidationError, match=f"{key} is given twice"):
                call()
        escape = [{key: other}, {key: {"ne": scope[key]}}, {"NOT": [{key: scope[key]}]}]
        assert target.get_all(filters={"OR": escape}) == []
        assert target.search("tea", filters={"OR": escape}) == []
        for whole in ({key: {"ne": scope[key]}}, {key: {"in": [other]}}, {"NOT": {key: scope[key]}}):
            for called, given in ((target, {}), (self.m, scope)):
                assert called.get_all(**given, filters=whole) == []
                assert called.search("tea", **given, filters=whole) == []

    # -- what is always true ------------------------------------------------------------------------

    @invariant()
    def all_is_as_the_judge_says(self) -> None:
        self._same(self.m.get_all(limit=1000, show_expired=True), self.judge.within({}))
        for id in self.judge.owners:
            rows = self.m.history(id)
            told = [(row["event"], row["prev_value"], row["new_value"], row["is_deleted"]) for row in rows]
            assert told == self.judge.history(id, {})

    def _same(self, found: Any, expected: list[Kept]) -> None:
        wanted = [row.as_told() for row in expected]
        assert found.total == len(wanted)
        if self.knows_insertion:
            assert found == wanted
        else:
            assert [row["created_at"] for row in found] == [row["created_at"] for row in wanted]
            assert {row["id"]: row for row in found} == {row["id"]: row for row in wanted}


def joined(filters: dict[str, Any] | None, ids: dict[str, Any]) -> dict[str, Any] | None:
    """Return a filter with ids beside it; where they are about the same key, with both."""
    if filters and filters.keys() & ids.keys():
        return {**ids, "AND": [filters]}
    return {**(filters or {}), **ids} or None


# -- the places where memories lie ------------------------------------------------------------------


class InOneFile(Isolation):
    """The embedded store in a file, open twice, so that each sees what the other wrote; and opened anew."""

    strategy = "two_pass"
    memories_open = 2

    def arguments(self) -> dict[str, Any]:
        return {"path": str(self.folder / "m.db")}

    @rule(both=st.booleans())
    def open_anew(self, both: bool) -> None:
        self.opened[0].close()
        if both:
            self.opened[1].close()
            self.opened[1] = self.open()
        self.opened[0] = self.open()


class InTwoFiles(InOneFile):
    """The history in a file of its own."""

    strategy = "single_pass"

    def open(self) -> Any:
        return memory(
            {"path": str(self.folder / "m.db"), "history_db_path": str(self.folder / "h.db")}, clock=self.clock
        )


class InQdrant(Isolation):
    """Qdrant's engine inside this process."""

    knows_insertion = False
    is_embedded = False

    def arguments(self) -> dict[str, Any]:
        from mem0.vector_stores.qdrant import Qdrant

        self.shared["store"] = Qdrant(path=":memory:")
        return {"vector_store": self.shared["store"]}


class InAPlainStore(Isolation):
    """A store made of defaults, which outlives its process, with a history in a file."""

    knows_insertion = False
    is_embedded = False
    memories_open = 2

    def open(self) -> Any:
        store = PlainStore(self.folder / "store.db")
        return memory(vector_store=store, history=self._history(), clock=self.clock)

    def _history(self) -> SQLiteManager:
        history = SQLiteManager(self.folder / "h.db")
        self.shared[f"history {len(self.shared)}"] = history
        return history


class InATable(Isolation):
    """The store of the example plugin: the nine verbs and nothing else."""

    knows_insertion = False
    is_embedded = False
    strategy = "two_pass"

    def arguments(self) -> dict[str, Any]:
        return {"vector_store": TableStore(TableStoreConfig(file=str(self.folder / "table.db")))}


class Blocking:
    """An :class:`~mem0.AsyncMemory` called as a :class:`~mem0.Memory` is."""

    def __init__(self, m: AsyncMemory, runner: Any) -> None:
        self.__dict__.update(m=m, runner=runner)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.m, name)
        if name == "scope":
            return lambda **ids: Blocking(found(**ids), self.runner)
        if not inspect.iscoroutinefunction(found):
            return found
        return lambda *arguments, **named: self.runner.run_until_complete(found(*arguments, **named))

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self.m, name, value)


class Awaited(Isolation):
    """The verbs of :class:`~mem0.AsyncMemory`."""

    def open(self) -> Any:
        self.runner = asyncio.new_event_loop()
        return Blocking(async_memory(clock=self.clock), self.runner)

    def teardown(self) -> None:
        try:
            super().teardown()
        finally:
            self.runner.run_until_complete(self.runner.shutdown_default_executor())
            self.runner.close()


SETTINGS = settings(
    max_examples=EXAMPLES,
    stateful_step_count=STEPS,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
    print_blob=True,
)


def _test(machine: type[Isolation]) -> Any:
    case = machine.TestCase
    case.settings = SETTINGS
    return pytest.mark.slow(case)


TestInMemory = _test(Isolation)
TestInOneFile = _test(InOneFile)
TestInTwoFiles = _test(InTwoFiles)
TestInAPlainStore = _test(InAPlainStore)
TestInATable = _test(InATable)
TestAwaited = _test(Awaited)
TestInQdrant = pytest.mark.skipif(find_spec("qdrant_client") is None, reason="qdrant_client is not installed")(
    _test(InQdrant)
)


@pytest.mark.parametrize("text", [None, "likes tea"])
def test_a_twin_that_holds_longer_does_not_keep_metadata_from_being_changed(text: str | None) -> None:
    clock = FrozenClock()
    with memory(clock=clock) as m:
        until = clock() + timedelta(hours=1)
        for_now = m.add("likes tea", user_id="alice", expiration_date=until)[0]["id"]
        (for_good,) = m.add("likes tea", user_id="alice")
        assert for_good["event"] == "ADD"
        assert m.update(for_now, text, metadata={"n": 1})["metadata"] == {"n": 1}
