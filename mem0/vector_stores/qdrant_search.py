"""What is asked of Qdrant to read and to search a collection: calls in, rows out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from qdrant_client import models

from mem0.filters import Filter, matches, parse_filters
from mem0.text import Question, question
from mem0.times import said_at
from mem0.types import Record, Scope
from mem0.vector_stores import qdrant_keyword as keyword
from mem0.vector_stores.base import (
    NEIGHBOURING,
    TOKENS_NOT_KEPT,
    UNKNOWN_SCRIPT,
    WORD_BY_WORD,
    Candidates,
    Query,
    Rows,
    checked_vector,
    circumstances,
    is_understood,
)
from mem0.vector_stores.qdrant_filters import Pushed, pushed
from mem0.vector_stores.qdrant_layout import Layout
from mem0.vector_stores.qdrant_neighbours import TOO_MANY, Turns, is_turn, read_turns
from mem0.vector_stores.qdrant_points import native
from mem0.wire.qdrant import Call, Calls

#: Points in one answer of a server.
PAGE = 1024

# A question's words beyond these are left out of the keyword leg; each costs a look at one point.
_MOST_WORDS = 48

# So many more points are asked for where the filter has to be looked at here.
_WIDER = 4


def scrolled(
    name: str,
    push: Pushed | None,
    filters: Mapping[str, Any] | None = None,
    alive_at: float | None = None,
    *,
    page: int = PAGE,
) -> Calls[Rows]:
    """Read all rows that match, without their vectors.

    Args:
        name: The collection.
        push: What Qdrant leaves out by itself.
        filters: The condition, looked at here.
        alive_at: Unix seconds: rows expired by then are left out; ``None`` keeps them.
        page: How many points to ask for at once.
    """
    accepts = Query(Scope(), "", None, 0, filters, alive_at).accepts
    found: Rows = []
    offset: Any = None
    while True:
        arguments = {
            "collection_name": name,
            "scroll_filter": push.filter if push else None,
            "limit": page,
            "offset": offset,
            "with_payload": True,
            "with_vectors": False,
        }
        points, offset = yield Call("scroll", arguments)
        rows = [Record(str(point.id), dict(point.payload or {})) for point in points]
        found += [row for row in rows if accepts(row.payload)]
        if offset is None:
            return found


def nearest(name: str, layout: Layout, vector: Any, limit: int, push: Pushed, condition: Filter | None) -> Calls[Rows]:
    """Read the rows closest to a vector that match, best first; the score is ``max(0, cosine)``."""
    wanted = limit
    while True:
        arguments = {
            "collection_name": name,
            "query": vector.tolist(),
            "using": layout.dense or None,
            "query_filter": push.filter,
            "limit": wanted,
            "with_payload": True,
        }
        points = (yield Call("query_points", arguments)).points
        rows = [Record(str(point.id), dict(point.payload or {}), max(0.0, point.score)) for point in points]
        rows = [row for row in rows if matches(condition, row.payload)]
        if len(rows) >= limit or len(points) < wanted:
            return rows[:limit]
        wanted *= _WIDER


def candidates(name: str, layout: Layout, query: Query) -> Calls[Candidates]:
    """Bring what either leg finds, with what each leg says of each."""
    asked = _Asked.of(name, layout, query)
    skipped = dict.fromkeys(WORD_BY_WORD, TOKENS_NOT_KEPT)
    if query.vector is None:
        skipped["dense"] = UNKNOWN_SCRIPT
    if not layout.has_keyword:
        skipped["keyword"] = (
            f"collection {name!r} has no keyword leg of this version; add_keyword_leg({name!r}) of its store adds it"
        )
    rows, wanted = {}, query.limit
    while True:
        points = yield from _found(asked, wanted)
        rows = {id: row for id, row in points.items() if query.accepts(row.payload)}
        if len(rows) >= query.limit or len(points) < wanted:
            break
        wanted *= _WIDER
    has_turns = any(is_turn(row.payload) for row in rows.values())
    turns = (yield from read_turns(name, layout, query.scope)) if has_turns else Turns({})
    if turns is None:
        skipped |= dict.fromkeys(NEIGHBOURING, TOO_MANY)
        turns = Turns({})
    # Turns beside what was found may be what is looked for, and count for it also where they may not be returned.
    rows |= yield from _rows(name, [id for id in turns.around(rows) if id not in rows])
    scored = yield from _scored(asked, [*rows.values()], skipped)
    legs = {**scored.legs, **turns.legs([*rows], scored.legs)}
    keep = np.array([query.accepts(row.payload) for row in rows.values()], dtype=bool)
    kept = [row for row, stays in zip(rows.values(), keep, strict=True) if stays]
    legs = {leg: values[keep] for leg, values in legs.items()}
    return replace(scored, keys=kept, legs={**legs, **circumstances(query, kept)})


def _rows(name: str, ids: Sequence[str]) -> Calls[dict[str, Record]]:
    """Read some rows, by id, without their vectors."""
    if not ids:
        return {}
    arguments = {"collection_name": name, "ids": native(ids), "with_payload": True, "with_vectors": False}
    points = yield Call("retrieve", arguments)
    return {str(point.id): Record(str(point.id), dict(point.payload or {})) for point in points}


def _found(asked: _Asked, limit: int) -> Calls[dict[str, Record]]:
    """Return what either leg brings, by id."""
    requests = asked.requests(limit, None, with_payload=True)
    if not requests:  # neither leg can look: the scope's newest, as a store without legs would give
        found = yield from scrolled(asked.name, asked.push)
        found.sort(key=lambda row: said_at(row.payload), reverse=True)
        return {row.id: row for row in found[:limit]}
    answers = yield Call("query_batch_points", {"collection_name": asked.name, "requests": [*requests.values()]})
    points = [point for answer in answers for point in answer.points]
    return {str(point.id): Record(str(point.id), dict(point.payload or {})) for point in points}


def _scored(asked: _Asked, rows: Rows, skipped: Mapping[str, str]) -> Calls[Candidates]:
    """Return candidates with what each leg says of each, whichever brought it."""
    if not rows:
        return Candidates([], {}, skipped)
    ids = [row.id for row in rows]
    requests = asked.requests(len(rows), ids, with_payload=False)
    probes = asked.probes() if "keyword" in requests else {}
    legs: dict[str, Any] = {}
    if requests:
        every = [*requests.values(), *([asked.holders(ids)] if "keyword" in requests else []), *probes.values()]
        arguments = {"collection_name": asked.name, "requests": every}
        answers = yield Call("query_batch_points", arguments)
        scores = {
            leg: {str(point.id): point.score for point in answer.points}
            for leg, answer in zip(requests, answers, strict=False)
        }
        if "dense" in scores:
            cosines = np.array([scores["dense"].get(row.id, np.nan) for row in rows], dtype=np.float32)
            understood = np.array([is_understood(row.payload) for row in rows])
            legs["similarity"] = cosines
            legs["dense"] = np.where(understood, cosines.clip(0, 1), np.nan).astype(np.float32)
        if "keyword" in scores:
            counted = yield Call("count", {"collection_name": asked.name, "exact": False})
            holders = {str(point.id) for point in answers[len(requests)].points}
            idf = _idf(probes, answers[len(requests) + 1 :], counted.count)
            best = keyword.perfect(asked.question, idf)
            silent = [0.0 if row.id in holders else np.nan for row in rows]  # no word in common, or no words at all
            found = np.array(
                [scores["keyword"].get(row.id, none) for row, none in zip(rows, silent, strict=True)], dtype=np.float32
            )
            legs["keyword"] = (found / np.float32(best)).clip(0, 1).astype(np.float32)
    if not legs:
        legs["dense"] = np.full(len(rows), np.nan, dtype=np.float32)
    return Candidates(rows, legs, skipped)


class _Asked(NamedTuple):
    """A question, in the terms of a collection.

    Attributes:
        name: The collection.
        layout: How it is built.
        push: What Qdrant leaves out by itself.
        vector: The question's vector, if it has one.
        question: Its words, for the keyword leg; none where there is no such leg.
    """

    name: str
    layout: Layout
    push: Pushed
    vector: list[float] | None
    question: Question

    @classmethod
    def of(cls, name: str, layout: Layout, query: Query) -> _Asked:
        filters = {**query.scope.ids(), "AND": [dict(query.filters)]} if query.filters else query.scope.ids()
        words = question(query.text) if layout.has_keyword else Question((), 0)
        words = words._replace(words=words.words[:_MOST_WORDS])
        vector = None if query.vector is None else checked_vector(query.vector, layout.size, "the query").tolist()
        return cls(name, layout, pushed(parse_filters(filters), layout.filterable), vector, words)

    def requests(self, limit: int, ids: list[str] | None, *, with_payload: bool) -> dict[str, models.QueryRequest]:
        """Return a request for each leg, by its name; with ids, about these points only."""
        condition = self.push.filter if ids is None else models.Filter(must=[models.HasIdCondition(has_id=native(ids))])
        common: dict[str, Any] = {"filter": condition, "limit": limit, "with_payload": with_payload}
        requests = {}
        if self.vector is not None:
            requests["dense"] = models.QueryRequest(query=self.vector, using=self.layout.dense or None, **common)
        sparse = keyword.query(self.question)
        if sparse is not None:
            requests["keyword"] = models.QueryRequest(query=sparse, using=keyword.KEYWORD, **common)
        return requests

    def holders(self, ids: list[str]) -> models.QueryRequest:
        """Return a request for those of some points that have a sparse vector of ours."""
        having: list[Any] = [
            models.HasIdCondition(has_id=native(ids)),
            models.HasVectorCondition(has_vector=keyword.KEYWORD),
        ]
        return models.QueryRequest(filter=models.Filter(must=having), limit=len(ids), with_payload=False)

    def probes(self) -> dict[int, models.QueryRequest]:
        """Return, by word, a request for the best point of all that has it: its score tells the word's idf."""
        return {
            word: models.QueryRequest(
                query=models.SparseVector(indices=[word], values=[1.0]),
                using=keyword.KEYWORD,
                limit=1,
                with_vector=[keyword.KEYWORD],
            )
            for word in sorted(set(self.question.words))
        }


def _idf(probes: Mapping[int, Any], answers: Sequence[Any], count: int) -> dict[int, float]:
    """Return each word's idf, as Qdrant weighs it: a score divided by the weight it was made of."""
    unseen = float(np.log1p((count + 0.5) / 0.5))
    found = dict.fromkeys(probes, unseen)
    for word, answer in zip(probes, answers, strict=True):
        for point in answer.points:
            vector = point.vector[keyword.KEYWORD]
            weight = dict(zip(vector.indices, vector.values, strict=True)).get(word)
            if weight:
                found[word] = point.score / weight
    return found
