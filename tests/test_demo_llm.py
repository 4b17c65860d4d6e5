"""The demo with an LLM runs against any server of OpenAI's protocol, and notices what is not as it was said."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
from loopback import Answer
from openai_server import KEY, OpenAIServer
from run_example import EXAMPLES, load_example, run_python

from mem0 import Memory
from mem0.testing import ScriptedLLM, memory

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

demo_llm = load_example("demo_llm")


def test_it_runs_against_a_server(openai_server: OpenAIServer, tmp_path: Path) -> None:
    openai_server.content = (
        '{"memory": [{"text": "Tiago\'s cat is called Bolota", "quote": "the cat\'s called Bolota"},'
        ' {"text": "Nora lives in Hamburg", "quote": "nobody said this"}, {"event": "DELETE", "id": "99"}]}'
    )
    script = [str(EXAMPLES / "demo_llm.py"), "--base-url", openai_server.url, "--model", "gpt-4o", "--pieces", "2"]
    output = run_python(script, tmp_path, OPENAI_API_KEY=KEY, TMPDIR=str(tmp_path))
    assert "-> ADD    Tiago's cat is called Bolota\n" in output
    assert "-> ADD    Nora lives in Hamburg   (its quote was not said)\n" in output
    assert "rejected: DELETE of a memory that was not offered" in output
    assert "changes {'ADD': 3, 'NONE': 4}, rejected 3, unusable answers none" in output
    assert re.search(r"^3 calls of the LLM, 360 tokens to it and 24 from it", output, re.MULTILINE)
    assert output.endswith("Everything is as it was said to be.\n")


def test_an_answer_that_cannot_be_used_is_counted(openai_server: OpenAIServer, tmp_path: Path) -> None:
    openai_server.content = "I'd rather talk about the weather."
    script = [str(EXAMPLES / "demo_llm.py"), "--base-url", openai_server.url, "--model", "gpt-4o", "--pieces", "1"]
    output = run_python(script, tmp_path, OPENAI_API_KEY=KEY, TMPDIR=str(tmp_path))
    assert "unusable answers {'LLMResponseError': 2}" in output
    assert len(openai_server.requests) == 4
    assert output.endswith("Everything is as it was said to be.\n")


def test_a_loss_is_noticed(capsys: pytest.CaptureFixture[str]) -> None:
    check = demo_llm.Check()
    with memory(llm=ScriptedLLM([{"memory": [{"text": "Likes tea"}, {"text": "Has a dog"}]}])) as m:
        changes = m.add("I like tea, and I have a dog", user_id=demo_llm.USER)
        check.changes(m, changes)
        check.total(m)
        assert check.problems == []
        m.delete(changes[0]["id"])
        check.total(m)
        check.changes(m, changes)
    assert check.report() == 1
    assert "1 memories, and 2 were added and not deleted" in capsys.readouterr().out
    assert f"{changes[0]['id']} is not there" in check.problems


def test_what_a_failed_add_leaves_is_noticed() -> None:
    def half_done(_messages: list[dict[str, Any]]) -> str:
        m.update(kept["id"], "I like coffee")  # as many memories as before
        return "no list of changes"

    check = demo_llm.Check()
    with memory(llm=ScriptedLLM(half_done)) as m:
        (kept,) = m.add("I like tea", user_id=demo_llm.USER, infer=False)
        demo_llm.remember(m, [{"role": "user", "content": "Hello"}], "2025-03-02", check)
    assert check.errors == {"LLMResponseError": 1}
    assert check.problems == ["a failed add left something behind"]


def test_what_is_not_the_same_after_reopening_is_noticed(tmp_path: Path) -> None:
    config = {"path": str(tmp_path / "m.db"), "embedder": {"provider": "onnx"}}
    check = demo_llm.Check()
    with Memory(config, llm=ScriptedLLM()) as m:
        m.add("Likes tea", user_id=demo_llm.USER, infer=False)
        before = demo_llm.everything(m)
        m.add("Has a dog", user_id=demo_llm.USER, infer=False)
    asyncio.run(demo_llm.remember_awaited(config, ("2025-03-02", [{"role": "user", "content": "Hi"}]), before, check))
    assert check.problems == ["the memories are not the same after reopening"]


def test_an_error_that_is_not_the_models_is_a_problem(openai_server: OpenAIServer, tmp_path: Path) -> None:
    openai_server.answers = [Answer(500, {"error": {"message": "oops"}})] * 20
    script = [str(EXAMPLES / "demo_llm.py"), "--base-url", openai_server.url, "--model", "gpt-4o", "--pieces", "1"]
    with pytest.raises(AssertionError, match="NOT AS IT SHOULD BE: LLMError"):
        run_python(script, tmp_path, OPENAI_API_KEY=KEY, TMPDIR=str(tmp_path))
