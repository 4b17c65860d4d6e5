"""Who stands beside whom in a Qdrant collection: the turns of a scope in the order they were stored, not their texts.

Ids of memories are UUIDs of version 7, so their order is the order of storing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qdrant_client import models

from mem0.filters import parse_filters
from mem0.times import said_at
from mem0.types import SCOPE_KEYS, Scope, own_notes
from mem0.vector_stores.neighbours import Neighbours
from mem0.vector_stores.qdrant_filters import pushed
from mem0.vector_stores.qdrant_layout import TURN, Layout
from mem0.wire.qdrant import Call, Calls

# Turns whose order is read, in one request; to read more would cost more than the rest of a search.
_MOST = 2000

TOO_MANY = f"the scope has more than {_MOST} turns, which is too many to read who stands beside whom"

_KEYS = (*SCOPE_KEYS, "created_at", "_mem0")


class Turns:
    """The turns of a scope, in the order they were stored.

    Args:
        turns: By id, what of each payload tells whose it is and when it was said.
    """

    def __init__(self, turns: Mapping[str, Mapping[str, Any]]) -> None:
        self._ids = sorted(turns)
        self._places = {id: place for place, id in enumerate(self._ids)}
        payloads = [turns[id] for id in self._ids]
        numbers: dict[tuple[Any, ...], int] = {}
        whose = [numbers.setdefault(tuple(one.get(key) for key in SCOPE_KEYS), len(numbers)) for one in payloads]
        self._beside = Neighbours(
            np.arange(len(payloads)),
            np.array(whose, dtype=np.int64),
            np.array([said_at(one) for one in payloads], dtype=np.float64),
            np.ones(len(payloads), dtype=bool),
        )

    def around(self, ids: Iterable[str]) -> list[str]:
        """Return the ids of the turns beside some memories."""
        places = [self._places[id] for id in ids if id in self._places]
        return [self._ids[place] for place in np.unique(self._beside.near[:, places]) if place >= 0]

    def legs(self, ids: Sequence[str], legs: Mapping[str, NDArray[np.float32]]) -> dict[str, NDArray[np.float32]]:
        """Return what the neighbours and the session of some memories say, as far as their scores are known."""
        places = np.array([self._places.get(id, -1) for id in ids], dtype=np.int64)
        here = places >= 0
        found = {}
        for name, leg, of in (
            ("near_dense", "dense", self._beside.around),
            ("session_dense", "dense", self._beside.in_session),
            ("near_keyword", "keyword", self._beside.around),
        ):
            if leg not in legs:
                continue
            own = np.nan_to_num(legs[leg])
            scores = np.zeros(len(self._ids), dtype=np.float32)
            scores[places[here]] = own[here]
            # A memory that is no turn has no neighbours, and is a session of its own.
            found[name] = own.copy() if name == "session_dense" else np.zeros(len(ids), dtype=np.float32)
            found[name][here] = of(scores)[places[here]]
        return found


def is_turn(payload: Mapping[str, Any]) -> bool:
    """Tell whether a memory is a turn of a conversation, and has neighbours."""
    return bool(own_notes(payload).get("turn"))


def read_turns(name: str, layout: Layout, scope: Scope) -> Calls[Turns | None]:
    """Read the turns of a scope; ``None`` where there are too many."""
    narrowed = pushed(parse_filters(scope.ids() or None), layout.filterable).filter
    # The scope first: the engine inside a process takes conditions in order, and looks at fewer notes so.
    conditions: list[Any] = [] if narrowed is None else [narrowed]
    if layout.filterable.by(TURN, "bool"):
        conditions.append(models.FieldCondition(key=TURN, match=models.MatchValue(value=True)))
    arguments = {
        "collection_name": name,
        "scroll_filter": models.Filter(must=conditions) if conditions else None,
        "limit": _MOST + 1,
        "with_payload": list(_KEYS),
        "with_vectors": False,
    }
    points, _ = yield Call("scroll", arguments)
    if len(points) > _MOST:
        return None
    payloads = {str(point.id): dict(point.payload or {}) for point in points}
    return Turns({id: payload for id, payload in payloads.items() if is_turn(payload) and scope.covers(payload)})
