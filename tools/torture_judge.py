"""What a memory must hold after what was logged, and whether it does; no I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from torture_child import REFUSALS, Call


class Disagreement(Exception):
    """What is there is not what must be there; the arguments say what disagrees."""


@dataclass
class Expected:
    """What a memory must hold after what was logged.

    Attributes:
        may_refuse: Whether the store fails on purpose, so that calls may raise.
        memories: By user, the texts by id.
        history: By id, the event and new text of every change.
        owners: By id, whose memory it is or was.
        cut_off: By user, the call that was neither acknowledged nor has raised.
        refused: By user, the ids whose deletion the store refused during the last call.
        counts: How many calls were ``acknowledged``, ``refused``, cut off and found ``whole`` or ``absent``; how many
            ``checks`` there were, and half-done commits that had to be ``undone``.
    """

    may_refuse: bool = False
    memories: dict[str, dict[str, str]] = field(default_factory=dict)
    history: dict[str, list[list[str | None]]] = field(default_factory=dict)
    owners: dict[str, str] = field(default_factory=dict)
    cut_off: dict[str, Call] = field(default_factory=dict)
    refused: dict[str, set[str]] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)

    def read(self, lines: Sequence[Mapping[str, Any]]) -> None:
        """Take in what a process has logged.

        Raises:
            Disagreement: A call raised what it must not, or what a thread found at first is not what must be there.
        """
        for line in lines:
            user = line.get("user")
            if "call" in line:
                self.cut_off[user], self.refused[user] = Call(**line["call"]), set()
            elif "fails" in line and user in self.refused:
                self.refused[user].add(line["id"])
            elif "found" in line:
                self.settle(user, line["found"])
            elif "done" in line:
                self.counts["acknowledged"] += 1
                self.apply(self.cut_off.pop(user), **line["done"])
            elif "error" in line and user is not None:
                self.counts["refused"] += 1
                call = self.cut_off.pop(user)
                if not (self.may_refuse and any(words in line["error"] for words in REFUSALS)):
                    raise Disagreement(f"{call} raised {line['error']}")

    def apply(self, call: Call, ids: Mapping[str, str], kept: Sequence[str] = ()) -> None:
        """Note that a call was carried out.

        Args:
            call: The call.
            ids: By text, the id of each new memory.
            kept: What a store that fails did not delete.
        """
        mine = self.memories.setdefault(call.user, {})
        if set(ids) != set(call.added):
            raise Disagreement(f"{call} was acknowledged, and named new memories: {ids}")
        for id in call.removed:
            if id not in kept:
                del mine[id]
                self.history[id].append(["DELETE", None])
        for id, text in call.changed.items():
            mine[id] = text
            self.history[id].append(["UPDATE", text])
        for text, id in ids.items():
            mine[id], self.owners[id] = text, call.user
            self.history[id] = [["ADD", text]]
        if call.verb == "purge":
            for id in [id for id, owner in self.owners.items() if owner == call.user and id not in kept]:
                del self.owners[id], self.history[id]

    def settle(self, user: str, found: dict[str, str]) -> None:
        """Decide by what is there whether a user's call that was cut off was carried out: wholly, or not at all."""
        call = self.cut_off.pop(user, None)
        before = self.memories.get(user, {})
        if found == before:
            self.counts["absent"] += call is not None
            return
        if call is not None:
            ids = {text: id for id, text in found.items() if id not in before}
            kept = [id for id in call.removed if id in found]
            if set(ids) == set(call.added) and self.refused[user].issuperset(kept):
                self.apply(call, ids, kept)
                if found == self.memories[user]:
                    self.counts["whole"] += 1
                    return
        raise Disagreement(
            f"{user} has not what must be there; cut off was {call}", *differences(before, found, "memory")
        )

    def compare(self, seen: Mapping[str, Any]) -> None:
        """Compare all of it with what :func:`torture_child.seen` saw."""
        problems = [*seen["problems"], *contradictions(seen["memories"], seen["history"])]
        memories = {id: [user, text] for user, mine in self.memories.items() for id, text in mine.items()}
        problems += differences(memories, seen["memories"], "memory")
        history = {id: [[event, new] for event, _, new in rows] for id, rows in seen["history"].items()}
        problems += differences(self.history, history, "history of")
        if problems:
            raise Disagreement(*problems)

    def judge(self, looks: Sequence[Mapping[str, Any]]) -> None:
        """Compare what was seen before and after the calls that were cut off were made again."""
        first, again = looks
        self.counts += Counter(checks=1, undone=first["undone"])
        retried = [*self.cut_off.values()]
        for user in {*self.memories, *self.cut_off, *(user for user, _ in first["memories"].values())}:
            self.settle(user, {id: text for id, (owner, text) in first["memories"].items() if owner == user})
        self.compare(first)
        ids = {text: id for id, (_, text) in again["memories"].items()}
        for call in map(self.remaining, retried):
            self.apply(call, {text: ids[text] for text in call.added if text in ids})
        self.compare(again)

    def remaining(self, call: Call) -> Call:
        """Return what is left to do where a call is made again."""
        mine = self.memories.get(call.user, {})
        return replace(
            call,
            added=[text for text in call.added if text not in mine.values()],
            changed={id: text for id, text in call.changed.items() if mine.get(id, text) != text},
            removed=[id for id in call.removed if id in mine],
        )


def contradictions(
    memories: Mapping[str, Sequence[str]], history: Mapping[str, Sequence[Sequence[str | None]]]
) -> list[str]:
    """Say where store and history contradict each other or themselves, whatever must be there."""
    said = Counter(map(tuple, memories.values()))
    problems = [f"{count} memories of {user} say {text!r}" for (user, text), count in said.items() if count > 1]
    for id in {**memories, **history}:
        text = memories[id][1] if id in memories else None
        changes = history.get(id, [])
        last = changes[-1][2] if changes else None
        if last != text:
            problems.append(f"memory {id} is {text!r} in the store and {last!r} in the history")
        if [previous for _, previous, _ in changes] != [None, *(new for _, _, new in changes)][: len(changes)]:
            problems.append(f"the history of memory {id} has a gap: {changes}")
    return problems


def differences(expected: Mapping[str, Any], found: Mapping[str, Any], what: str) -> list[str]:
    """Say where two mappings differ."""
    ids = [id for id in {**expected, **found} if expected.get(id) != found.get(id)]
    return [f"{what} {id}: must be {expected.get(id)}, and is {found.get(id)}" for id in ids]
