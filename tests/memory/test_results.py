"""A result is a real list of plain dicts that also answers to `["results"]`."""

from __future__ import annotations

import copy
import json
import pickle
from typing import Any

import pytest

from mem0 import Memory, MemoryItem, MemoryList, Usage


@pytest.fixture
def found() -> MemoryList[Any]:
    rows = [{"id": "1", "memory": "likes <b>tea</b>", "score": 0.51234}, {"id": "2", "memory": "owns a dog"}]
    result: MemoryList[Any] = MemoryList(rows, total=9, rejected=[{"reason": "no text"}])
    result.usage = Usage(embed_calls=1, seconds={"embed": 0.5})
    return result


class TestList:
    def test_it_is_a_list_of_plain_dicts(self, found: MemoryList[Any]) -> None:
        assert isinstance(found, list)
        assert found == [
            {"id": "1", "memory": "likes <b>tea</b>", "score": 0.51234},
            {"id": "2", "memory": "owns a dog"},
        ]
        assert len(found) == 2
        assert found[0]["id"] == "1"
        assert found[-1]["id"] == "2"
        assert [row["id"] for row in found] == ["1", "2"]
        assert all(type(row) is dict for row in found)
        assert bool(MemoryList()) is False

    def test_slices_sums_and_copies_are_plain_lists(self, found: MemoryList[Any]) -> None:
        for plain in (found[:1], found[::2], found + list(found), found * 1, found.copy(), sorted(found, key=str)):
            assert type(plain) is list
        assert found[:1] == [found[0]]

    def test_nothing_else_is_added_to_what_a_list_does(self, found: MemoryList[Any]) -> None:
        with pytest.raises(IndexError):
            found[2]
        with pytest.raises(TypeError):
            found[None]
        added = {name for name in vars(MemoryList) if not name.startswith("__")} - {"_repr_html_"}
        assert added == {"get"}
        assert not hasattr(found, "keys")
        assert repr(found) == repr(list(found))

    def test_it_can_be_changed(self, found: MemoryList[Any]) -> None:
        found.append({"id": "3"})
        found.sort(key=lambda row: row["id"], reverse=True)
        assert [row["id"] for row in found["results"]] == ["3", "2", "1"]


class TestResults:
    def test_the_later_shape(self, found: MemoryList[Any]) -> None:
        assert found["results"] is found
        assert found.get("results") is found
        assert found.get("results", []) is found
        assert "results" in found

    @pytest.mark.parametrize("key", ["relations", "result", "", "0"])
    def test_other_keys_are_not_there(self, found: MemoryList[Any], key: str) -> None:
        assert found.get(key) is None
        assert found.get(key, []) == []
        assert key not in found
        with pytest.raises(KeyError, match=repr(key)):
            found[key]

    def test_members_are_found_as_in_a_list(self, found: MemoryList[Any]) -> None:
        assert found[1] in found
        assert {"id": "9"} not in found
        assert 0 not in found


class TestSerialisation:
    def test_json(self, found: MemoryList[Any]) -> None:
        assert json.loads(json.dumps(found)) == list(found)
        assert json.dumps({"found": found}, indent=1) == json.dumps({"found": list(found)}, indent=1)

    @pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
    def test_pickle(self, found: MemoryList[Any], protocol: int) -> None:
        again = pickle.loads(pickle.dumps(found, protocol))
        assert type(again) is MemoryList
        assert (again, again.total, again.usage, again.rejected) == (found, 9, found.usage, [{"reason": "no text"}])
        assert again["results"] is again

    @pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
    def test_copy(self, found: MemoryList[Any], copied: Any) -> None:
        again = copied(found)
        assert type(again) is MemoryList
        assert (again, again.total, again.usage, again.rejected) == (found, 9, found.usage, found.rejected)
        assert again["results"] is again
        assert again is not found

    def test_what_verbs_return_is_json(self, m: Memory) -> None:
        added = m.add(["likes tea", "owns a dog"], user_id="alice", metadata={"n": [1, {"deep": None}]})
        id = added[0]["id"]
        for result in (
            added,
            m.search("tea", explain=True),
            m.get_all(),
            m.get(id),
            m.update(id, "likes rum"),
            m.history(id),
            m.delete(id),
            m.delete_all("alice", purge=True),
        ):
            assert json.loads(json.dumps(result)) == result

    def test_rows_fit_the_published_model(self, m: Memory) -> None:
        m.add("likes tea", user_id="alice", metadata={"n": 1})
        item = MemoryItem(**m.search("tea")[0])
        assert (item.memory, item.metadata, item.user_id) == ("likes tea", {"n": 1}, "alice")  # type: ignore[attr-defined]


class TestAttributes:
    def test_defaults(self) -> None:
        result: MemoryList[Any] = MemoryList([{"id": "1"}])
        assert (result.total, result.usage, result.rejected) == (1, Usage(), [])

    def test_every_call_has_an_account_of_its_own(self, m: Memory) -> None:
        first, second = m.add("likes tea"), m.search("tea")
        assert first.usage is not second.usage
        assert (first.usage.embed_calls, second.usage.embed_calls, m.get_all().usage.embed_calls) == (1, 1, 0)
        assert first.usage.llm_calls == first.usage.prompt_tokens == first.usage.completion_tokens == 0
        assert all(seconds >= 0 for seconds in second.usage.seconds.values())
        assert first.rejected == second.rejected == []


class TestHtml:
    def test_it_is_a_table_and_escaped(self, found: MemoryList[Any]) -> None:
        found.append({"id": '"><script>alert(1)</script>', "memory": "a & b"})
        page = found._repr_html_()
        assert page.startswith("<table>")
        assert page.endswith("</table>")
        assert "<script>" not in page
        assert "<b>" not in page
        assert "likes &lt;b&gt;tea&lt;/b&gt;" in page
        assert "a &amp; b" in page
        assert "0.512" in page
        assert page.count("<tr>") == 4

    def test_of_nothing(self) -> None:
        assert MemoryList()._repr_html_() == "<table><thead><tr></tr></thead><tbody></tbody></table>"

    def test_of_real_rows(self, m: Memory) -> None:
        added = m.add("<i>tea</i>", user_id="<alice>")
        assert "ADD" in added._repr_html_()
        assert "&lt;alice&gt;" in m.search("tea")._repr_html_()
