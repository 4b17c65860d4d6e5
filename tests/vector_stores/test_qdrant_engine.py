"""Qdrant as a store, on the engine that its server is made of."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from filter_cases import ALIKE_FILTERS, ALIKE_ROWS
from hypothesis import HealthCheck, example, given, settings
from qdrant_client import models
from qdrant_engine import EngineClient

from mem0.embeddings.onnx import OnnxEmbedding
from mem0.filters import matches, parse_filters
from mem0.testing import VectorStoreContract, memory
from mem0.vector_stores.qdrant import Qdrant
from mem0.vector_stores.qdrant_filters import Filterable, pushed

EXAMPLES = int(os.environ.get("MEM0_FILTER_EXAMPLES", "50"))
VECTORS = models.VectorParams(size=2, distance=models.Distance.COSINE)


@pytest.fixture
def client() -> Iterator[EngineClient]:
    made = EngineClient()
    yield made
    made.close()


class TestQdrantOnItsEngine(VectorStoreContract):
    @pytest.fixture(autouse=True)
    def _engine(self, client: EngineClient) -> None:
        self.client = client

    def store(self) -> Qdrant:
        return Qdrant(client=self.client)


@pytest.mark.parametrize("kind", [None, "keyword", "integer", "float", "bool", "datetime", "text"])
def test_an_index_leaves_out_nothing_that_matches(client: EngineClient, kind: str | None) -> None:
    client.create_collection("c", VECTORS)
    indexes = {} if kind is None else {"k": kind, "n": kind, "user_id": "keyword", "run_id": "keyword"}
    for key, type_of_index in indexes.items():
        client.create_payload_index("c", key, models.PayloadSchemaType(type_of_index), wait=True)

    @given(ALIKE_ROWS, ALIKE_FILTERS)
    @example([{"k": 4.5}], [{"k": {"gte": 4}}])
    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
    def check(rows: list[dict[str, Any]], written: list[dict[str, Any]]) -> None:
        points = [models.PointStruct(id=at, vector=[1.0, 0.0], payload=row) for at, row in enumerate(rows)]
        upsert = models.UpsertOperation(upsert=models.PointsList(points=points))
        client.batch_update_points("c", [upsert], wait=True)
        for condition in map(parse_filters, written):
            wanted = {at for at, row in enumerate(rows) if matches(condition, row)}
            for indexed_only in (False, True):
                push = pushed(condition, Filterable(indexes, indexed_only))
                found = {point.id for point in client.scroll("c", scroll_filter=push.filter, limit=100)[0]}
                assert wanted == found if push.says_all else wanted <= found, condition
        deletion = models.DeleteOperation(delete=models.PointIdsList(points=[*range(len(rows))]))
        client.batch_update_points("c", [deletion], wait=True)

    check()


def test_a_memory_is_found_as_in_the_engine_inside_the_client(client: EngineClient) -> None:
    said = [
        "I moved to Lisbon in March.",
        "My sister Ana lives in Porto.",
        "I am allergic to peanuts.",
        "The new job at the harbour starts on Monday.",
        "昨天我在里斯本买了一辆自行车。",
    ]
    found = []
    for store in (Qdrant(client=client), Qdrant(path=":memory:")):
        with memory(vector_store=store, embedder=OnnxEmbedding()) as m:
            m.add(said, user_id="alice")
            m.add("Bob eats peanuts every day.", user_id="bob")
            answers = [
                m.search(question, user_id="alice", explain=True)
                for question in ("Where do I live?", "peanuts", "自行车", "Who is my sister?")
            ]
            found.append([[(row["memory"], round(row["score"], 4)) for row in rows] for rows in answers])
            assert m.delete_all(user_id="alice")["deleted"] == len(said)
            assert m.get_all().total == 1
    assert found[0] == found[1]
    assert found[0][1][0][0] == "I am allergic to peanuts."
