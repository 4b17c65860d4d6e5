"""What is sent, to whom, and that nothing waits for it: the real posthog, in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import pytest
from telemetry_server import TelemetryServer, refusing

import mem0
from mem0 import MemoryConfig
from mem0.memory import telemetry
from mem0.memory.operations import Parts
from mem0.memory.telemetry import AnonymousTelemetry, capture_event, chosen
from mem0.testing import DeterministicEmbedding, RecordingTelemetry, memory
from mem0.utils.factory import EmbedderFactory, LlmFactory, RerankerFactory, VectorStoreFactory

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

KEY = "phc_project_key_0123456789"
LONGEST_EXIT = 10.0  # seconds; benchmarks/telemetry_exit.py says what it takes

BEGIN = """
import os, sys, threading, time
from mem0 import Memory
from mem0.testing import DeterministicEmbedding

def memory(**more):  # not the one of mem0.testing, in which telemetry is off whatever the environment says
    return Memory(path=":memory:", embedder=DeterministicEmbedding(), **more)

def threads():
    return [thread.name for thread in threading.enumerate() if thread.name == "mem0-telemetry"]

def until(condition):
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)

def imported():
    from mem0.memory.telemetry import _sender
    until(lambda: _sender._imported.is_set())
"""
END = "\nprint(time.time(), flush=True)\n"


class Ended:
    """A process that came to its end: what it printed, and how long it took to exit after its last line."""

    def __init__(self, code: str, home: Path, **environment: str) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("MEM0_", "OPENAI_"))}
        process = subprocess.run(
            [sys.executable, "-W", "ignore::DeprecationWarning", "-c", BEGIN + code + END],
            cwd=home,
            env={
                **kept,
                "HOME": str(home),
                "MEM0_DIR": str(home / "mem0"),
                "PYTHONPATH": str(Path(mem0.__file__).parents[1]),
                "PYTHONDONTWRITEBYTECODE": "1",
                **environment,
            },
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        ended = time.time()
        self.stderr = process.stderr
        assert process.returncode == 0, process.stderr
        *self.lines, last = process.stdout.splitlines()
        self.seconds = ended - float(last)


def switched_on(host: str, **more: str) -> dict[str, str]:
    return {"MEM0_TELEMETRY": "true", "MEM0_TELEMETRY_KEY": KEY, "MEM0_TELEMETRY_HOST": host, **more}


# -- off, unless it is switched on ------------------------------------------------------------------

OFF = """
with memory() as m:
    m.add("likes tea", user_id="alice")
    m.search("tea")
time.sleep(0.2)
assert threads() == [] and threading.active_count() == 1, threading.enumerate()
assert "posthog" not in sys.modules
"""


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"MEM0_TELEMETRY": "true"},
        {"MEM0_TELEMETRY_KEY": KEY},
        {"MEM0_TELEMETRY": "false", "MEM0_TELEMETRY_KEY": KEY},
        {"MEM0_TELEMETRY": "true", "MEM0_TELEMETRY_KEY": " "},
    ],
)
def test_off_there_is_no_thread_and_no_posthog(tmp_path: Path, environment: dict[str, str]) -> None:
    with TelemetryServer() as server:
        ended = Ended(OFF, tmp_path, MEM0_TELEMETRY_HOST=server.url, **environment)
    assert ended.stderr == ""
    assert server.requests == []


def parts_of_nothing() -> Any:
    nothing: Any = None
    return Parts(nothing, nothing, nothing, "mem0", nothing)


@pytest.mark.parametrize(
    ("variable", "configured", "on"),
    [
        *[(word, None, True) for word in ("true", "TRUE", "1", "yes", "On", " true ")],
        *[(word, None, False) for word in ("", "0", "false", "no", "off", "y", "enabled")],
        ("true", False, False),
        ("false", True, True),
        ("", True, True),
    ],
)
def test_the_switch(variable: str, configured: bool | None, on: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEM0_TELEMETRY", variable)
    monkeypatch.setenv("MEM0_TELEMETRY_KEY", KEY)
    parts = parts_of_nothing()
    assert isinstance(chosen(None, MemoryConfig(telemetry=configured).telemetry, parts), AnonymousTelemetry) is on
    assert chosen(False, configured, parts) is None


def test_an_injected_object_is_what_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in switched_on("http://127.0.0.1:9").items():
        monkeypatch.setenv(name, value)
    recording = RecordingTelemetry()
    assert chosen(recording, None, parts_of_nothing()) is recording
    assert chosen(recording, False, parts_of_nothing()) is recording


def test_the_key_and_the_host(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("MEM0_TELEMETRY", "MEM0_TELEMETRY_KEY", "MEM0_TELEMETRY_HOST"):
        monkeypatch.delenv(name, raising=False)
    assert repr(AnonymousTelemetry()) == "AnonymousTelemetry(host='https://us.i.posthog.com', without a key)"
    assert repr(AnonymousTelemetry(KEY)) == "AnonymousTelemetry(host='https://us.i.posthog.com', with a key)"
    assert AnonymousTelemetry(host="https://eu.i.posthog.com").host == "https://eu.i.posthog.com"
    assert "secret" not in repr(AnonymousTelemetry(host="https://me:secret@posthog.example"))
    AnonymousTelemetry().capture_event("mem0.add", {"results": 1})
    caplog.set_level("INFO", logger="mem0.telemetry")
    assert chosen(None, True, parts_of_nothing()) is None
    assert "set MEM0_TELEMETRY_KEY" in caplog.text
    monkeypatch.setenv("MEM0_TELEMETRY_HOST", "http://127.0.0.1:9")
    assert AnonymousTelemetry().host == "http://127.0.0.1:9"


# -- what is sent -----------------------------------------------------------------------------------

EVERY_VERB = """
import asyncio
from mem0 import AsyncMemory
from mem0.memory.telemetry import capture_event

with Memory(path="NEEDLE.db", config={"collection_name": "NEEDLE"}) as m:
    (added,) = m.add("NEEDLE likes tea", user_id="NEEDLE", metadata={"NEEDLE": "NEEDLE"})
    m.search("NEEDLE", user_id="NEEDLE", filters={"NEEDLE": "NEEDLE"})
    m.get_all(agent_id="NEEDLE")
    m.get(added["id"])
    m.update(added["id"], "NEEDLE likes coffee")
    m.history(added["id"])
    capture_event("mem0.NEEDLE", m, {"results": 7, "NEEDLE": 1, "llm_calls": "NEEDLE", "embedder": "NEEDLE"})
    m._parts.telemetry.capture_event("NEEDLE", {"NEEDLE": 1, "results": "NEEDLE"})
    m.delete(added["id"])
    m.delete_all(run_id="NEEDLE")
    m.reset()

async def awaited():
    async with AsyncMemory(path=":memory:", embedder=DeterministicEmbedding()) as m:
        await m.add("NEEDLE", user_id="NEEDLE")

asyncio.run(awaited())
until(lambda: not __import__("mem0.memory.telemetry", fromlist=["_"])._sender._waiting)
"""

VERBS = [
    "add",
    "search",
    "get_all",
    "get",
    "update",
    "history",
    "other",
    "other",
    "delete",
    "delete_all",
    "reset",
    "add",
]


def test_the_body_says_what_is_listed_and_nothing_else(tmp_path: Path) -> None:
    with TelemetryServer() as server:
        ended = Ended(EVERY_VERB, tmp_path, **switched_on(server.url), NEEDLE="NEEDLE")
        events = server.wait_for(len(VERBS))
    assert ended.stderr == ""
    assert [event["event"] for event in events] == [f"mem0.{verb}" for verb in VERBS]
    for event in events:
        assert set(event) == {"event", "distinct_id", "timestamp", "properties"}
        facts = {name for name in event["properties"] if not name.startswith("$")}
        assert {*telemetry.FACTS} - facts <= ({*telemetry.COUNTS} if event["event"] == "mem0.other" else set())
        assert {*event["properties"]} - facts == {"$process_person_profile", "$geoip_disable"}
        assert facts <= {*telemetry.FACTS}
    assert len({event["distinct_id"] for event in events}) == 1
    assert events[0]["properties"] == {
        "$process_person_profile": False,
        "$geoip_disable": True,
        "library_version": mem0.__version__,
        "python_version": ".".join(map(str, sys.version_info[:3])),
        "os": sys.platform,
        "llm": "none",
        "embedder": "onnx",
        "vector_store": "sqlite",
        "reranker": "none",
        "results": 1,
        "llm_calls": 0,
        "embed_calls": 1,
    }
    assert events[-1]["properties"]["embedder"] == "other"
    assert [event["properties"].get("results") for event in events[6:8]] == [7, None]
    for request in server.requests:
        assert request.path == "/batch/"
        assert {name for name in request.body if name not in ("sent_at", "sentAt")} == {"api_key", "batch"}
        assert request.body["api_key"] == KEY
        told = request.raw.decode() + repr(request.headers)
        assert [word for word in ("NEEDLE", "tea", str(tmp_path)) if word in told] == []


def test_no_login_of_the_user_is_sent(tmp_path: Path) -> None:
    netrc = tmp_path / ".netrc"
    netrc.write_text("default login NEEDLE password NEEDLE\n")
    netrc.chmod(0o600)
    code = """
with memory() as m:
    m.add("likes tea")
until(lambda: not __import__("mem0.memory.telemetry", fromlist=["_"])._sender._waiting)
"""
    with TelemetryServer() as server:
        Ended(code, tmp_path, **switched_on(server.url))
        server.wait_for(1)
    assert "authorization" not in server.requests[0].headers


def test_an_object_with_a_key_needs_no_switch(tmp_path: Path) -> None:
    code = f"""
from mem0.memory.telemetry import AnonymousTelemetry
one, other = (AnonymousTelemetry({KEY!r} + end, os.environ["THERE"]) for end in "12")
with memory(telemetry=one) as a, memory(telemetry=other) as b:
    a.add("likes tea")
    imported()
    b.add("likes tea")
"""
    with TelemetryServer() as server:
        Ended(code, tmp_path, THERE=server.url)
        server.wait_for(2)
    assert [(request.body["api_key"], len(request.body["batch"])) for request in server.requests] == [
        (KEY + "1", 1),
        (KEY + "2", 1),
    ]


def test_capture_event_tells_whatever_watches() -> None:
    recording = RecordingTelemetry()
    with memory(telemetry=recording) as m:
        capture_event("mem0.add", m, {"results": 3, "llm_calls": True, "embed_calls": "2", "text": "likes tea"})
        capture_event("mem0.add", m.scope(user_id="alice"))
    assert recording.events == [("mem0.add", {"results": 3}), ("mem0.add", {})]


def test_capture_event_does_nothing_where_there_is_nothing(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(RecordingTelemetry):
        def capture_event(self, event: str, facts: Any) -> None:
            raise OSError("no route")

    with memory() as m:
        capture_event("mem0.add", m, {"results": 3})
    capture_event("mem0.add", None)
    with memory(telemetry=Broken()) as m:
        capture_event("mem0.add", m)
    assert caplog.messages == ["telemetry failed at mem0.add: OSError"]


def test_providers_of_strangers_are_others(monkeypatch: pytest.MonkeyPatch) -> None:
    class SecretEmbedding(DeterministicEmbedding):
        pass

    monkeypatch.setitem(EmbedderFactory.providers, "secret", f"{__name__}.SecretEmbedding")
    monkeypatch.setattr(sys.modules[__name__], "SecretEmbedding", SecretEmbedding, raising=False)
    assert EmbedderFactory.load("secret") is SecretEmbedding
    assert telemetry._provider("embedder", SecretEmbedding) == "other"
    assert telemetry._provider("llm", type(None)) == "none"
    assert telemetry._provider("reranker", type(lambda query, texts: [])) == "other"


def test_a_second_name_for_one_of_ours_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(EmbedderFactory.providers, "secret", EmbedderFactory.providers["onnx"])
    assert telemetry._provider("embedder", EmbedderFactory.load("secret")) == "onnx"


def test_the_copied_tables_hold_our_own_only() -> None:
    assert all(path.startswith("mem0.") for table in telemetry._PUBLISHED.values() for path in table.values())


@pytest.mark.parametrize(
    ("kind", "factory", "provider"),
    [
        ("llm", LlmFactory, "openai"),
        ("embedder", EmbedderFactory, "openai"),
        ("embedder", EmbedderFactory, "onnx"),
        ("vector_store", VectorStoreFactory, "sqlite"),
        ("reranker", RerankerFactory, "llm"),
    ],
)
def test_our_own_providers_have_their_names(kind: str, factory: Any, provider: str) -> None:
    assert telemetry._provider(kind, factory.load(provider)) == provider


# -- nothing waits for it ---------------------------------------------------------------------------

BROKEN: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "refuses": refusing,
    "hangs": lambda: TelemetryServer(delay=60),
    "slow": lambda: TelemetryServer(delay=3),
    "rejects": lambda: TelemetryServer(status=401),
    "no address": lambda: nullcontext("nonsense"),
}

CALLS = """
took = []
with memory() as m:
    for number in range(200):
        begun = time.perf_counter()
        assert m.add(f"fact {number}", user_id="alice")[0]["event"] == "ADD"
        m.search("fact", user_id="alice", limit=1)
        took.append(time.perf_counter() - begun)
        if number == 100:
            imported()
took.sort()
print(took[len(took) // 2])
"""


@pytest.mark.parametrize("how", BROKEN)
def test_calls_and_exit_do_not_wait_for_an_endpoint(how: str, tmp_path: Path) -> None:
    with BROKEN[how]() as endpoint:
        ended = Ended(CALLS, tmp_path, **switched_on(getattr(endpoint, "url", endpoint)))
    assert float(ended.lines[0]) < 0.5
    assert ended.seconds < LONGEST_EXIT
    if how in ("refuses", "rejects", "no address"):
        assert ended.stderr.count("\n") == 1
        assert f"telemetry could not be sent to {getattr(endpoint, 'url', endpoint)}, and was dropped" in ended.stderr
        assert KEY not in ended.stderr
    else:
        assert ended.stderr == ""


@pytest.mark.parametrize("how", BROKEN)
def test_the_exit_right_after_the_first_event(how: str, tmp_path: Path) -> None:
    code = "with memory() as m:\n    m.add('likes tea')\n"
    with BROKEN[how]() as endpoint:
        ended = Ended(code, tmp_path, **switched_on(getattr(endpoint, "url", endpoint)))
    assert ended.seconds < LONGEST_EXIT


PATIENT = "from mem0.memory import telemetry; telemetry._GRACE = 20\n"  # however slow the machine is


def test_what_a_short_script_did_arrives(tmp_path: Path) -> None:
    code = (
        PATIENT
        + """
with memory() as m:
    m.add("likes tea")
    imported()
    m.search("tea")
    m.get_all()
"""
    )
    with TelemetryServer() as server:
        ended = Ended(code, tmp_path, **switched_on(server.url))
        events = server.wait_for(3)
    assert [event["event"] for event in events] == ["mem0.add", "mem0.search", "mem0.get_all"]
    assert ended.stderr == ""


def test_the_exit_waits_for_a_script_of_one_call(tmp_path: Path) -> None:
    code = PATIENT + "with memory() as m: m.add('likes tea')\n"
    with TelemetryServer() as server:
        Ended(code, tmp_path, **switched_on(server.url))
    assert [event["event"] for event in server.events] == ["mem0.add"]


def test_a_full_queue_drops_what_comes(tmp_path: Path) -> None:
    code = """
from mem0.memory import telemetry
watching = telemetry.AnonymousTelemetry()
begun = time.perf_counter()
for _ in range(20_000):
    watching.capture_event("mem0.add", {"results": 1})
print((time.perf_counter() - begun) / 20_000)
print(len(telemetry._sender._waiting))
"""
    with TelemetryServer(delay=60) as server:
        ended = Ended(code, tmp_path, **switched_on(server.url))
    assert float(ended.lines[0]) < 0.001
    assert 900 <= int(ended.lines[1]) <= 1000
    assert ended.seconds < LONGEST_EXIT


def test_two_memories_share_a_thread(tmp_path: Path) -> None:
    code = """
with memory() as one, memory() as other:
    for m in (one, other, one):
        m.add("likes tea")
        assert threads() == ["mem0-telemetry"], threads()
assert threads() == ["mem0-telemetry"], threads()
imported()
"""
    with TelemetryServer() as server:
        Ended(code, tmp_path, **switched_on(server.url))
        assert len(server.wait_for(3)) == 3


def test_without_posthog_there_is_one_warning(tmp_path: Path) -> None:
    code = """
sys.modules["posthog"] = None
for _ in range(2):
    with memory() as m:
        m.add("likes tea")
        imported()
        m.search("tea")
"""
    ended = Ended(code, tmp_path, **switched_on("http://127.0.0.1:9"))
    assert ended.stderr.count("\n") == 1
    assert "nothing is sent" in ended.stderr
    assert "pip install 'posthog>=" in ended.stderr


needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


@needs_fork
def test_a_child_sends_for_itself(tmp_path: Path) -> None:
    code = """
from mem0.memory import telemetry
with memory() as m:
    m.add("likes tea")
    imported()
    until(lambda: not telemetry._sender._waiting)
    time.sleep(0.3)  # for the answer, so that the child inherits an idle connection
    m.add("likes coffee")
    child = os.fork()
    assert threads() == (["mem0-telemetry"] if child else []), threads()
    with memory() as another:
        another.search("tea")
    assert threads() == ["mem0-telemetry"], threads()
if child:
    assert os.waitpid(child, 0)[1] == 0
else:
    sys.exit()
"""
    with TelemetryServer() as server:
        ended = Ended(code, tmp_path, **switched_on(server.url))
        events = server.wait_for(4)
    assert ended.stderr == ""
    ids = {event["distinct_id"] for event in events}
    told = sorted(sorted(event["event"] for event in events if event["distinct_id"] == one) for one in ids)
    assert told == [["mem0.add", "mem0.add", "mem0.search"], ["mem0.search"]]  # what waited was sent once
    senders = {(request.port, request.body["batch"][0]["distinct_id"]) for request in server.requests}
    assert len({port for port, _ in senders}) == len(senders), "two processes used one connection"


@needs_fork
def test_a_child_can_import_what_its_parent_was_importing(tmp_path: Path) -> None:
    package = tmp_path / "slow" / "posthog"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("import time\ntime.sleep(0.5)\n")
    (package / "request.py").write_text("")
    code = """
import signal
with memory() as m:
    m.add("likes tea")
until(lambda: "posthog" in sys.modules)
child = os.fork()
if child == 0:
    signal.alarm(20)
    import posthog
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
"""
    path = f"{tmp_path / 'slow'}{os.pathsep}{Path(mem0.__file__).parents[1]}"
    Ended(code, tmp_path, **switched_on("http://127.0.0.1:9", PYTHONPATH=path))
