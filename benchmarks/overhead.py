"""What the library itself costs, beside the models: CPU time and memory, side by side with mem0ai.

    python benchmarks/overhead.py --quick          # under a minute
    python benchmarks/overhead.py --json out.json  # all of it, some minutes
    python benchmarks/overhead.py --only learn     # one row

Every measurement runs in a process of its own (``_worker.py``), both libraries get the same texts and the
same ready-made vectors, and an LLM that answers at once.  mem0ai has the same import name as this library, so it lives
in a virtual environment of its own, made on the first run.  See ``README.md`` here for what each row means.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import venv
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

HERE = Path(__file__).resolve().parent
MEM0AI = "2.2.1"
RAW_ROW_BYTES = 384 * 4
MEMORY_TARGET_FROM = 100_000  # below, what Python itself takes outweighs the vectors
OTHER_PROCESS_TARGET_FROM = 10_000  # below, a warm search is too short to be a measure for reading a file
IMPORT_CODE = "import time; t = time.process_time(); from mem0 import Memory; print((time.process_time() - t) * 1000)"


@dataclass(frozen=True)
class Row:
    """One line of the table: how it is called, counted and judged."""

    key: str
    label: str
    unit: str
    target: float | None = None


ROWS = (
    Row("search", "search, one user, limit 100", "ms", 1.0),
    Row("found", "… memories it returned", ""),
    Row("search_10", "search, one user, limit 10", "ms", 1.0),
    Row("search_in_turn", "search, users in turn, limit 100", "ms"),
    Row("search_after_own_add", "search after an add of that user", "ms"),
    Row("search_after_other", "search after another process wrote", "ms"),  # target: three times "search"
    Row("search_after_other_user", "… for another user", "ms"),
    Row("add", "add(infer=False), one memory", "ms", 1.0),
    Row("commits", "… commits", "", 1.0),
    Row("learn", "add, 3 facts from an LLM that takes no time", "ms", 5.0),
    Row("learn_first", "… a user's first in this process", "ms"),
    Row("add_list", "add(infer=False), a memory of a list", "ms"),
    Row("get_all", "get_all, limit 100", "ms", 1.0),
    Row("reopen", "reopen, a user's first search", "ms", 50.0),
)
MEMORY_ROWS = (
    Row("by_users", "memory ÷ vectors, each user searched", "×", 2.2),
    Row("everything", "… and the collection as a whole", "×", 2.2),
    Row("peak", "… at its peak", "×"),
)
IMPORT_ROW = Row("import", "from mem0 import Memory", "ms", 200.0)
ALL_ROWS = frozenset(row.key for row in (*ROWS, *MEMORY_ROWS, IMPORT_ROW))
# The rows that have a job of the worker for themselves; those of "fill", which always runs, and "verbs" are the rest.
JOB_ROWS = {
    "reopen": frozenset({"reopen"}),
    "memory": frozenset(row.key for row in MEMORY_ROWS),
    "learn": frozenset({"learn", "learn_first"}),
    "commits": frozenset({"commits"}),
}
VERB_ROWS = ALL_ROWS.difference({"add_list", IMPORT_ROW.key}, *JOB_ROWS.values())


@dataclass(frozen=True)
class Measure:
    """The samples both libraries gave for one row at one size, and what was wanted."""

    row: Row
    size: int | None
    target: float | None
    ours: list[float]
    mem0ai: list[float]

    @property
    def missed(self) -> bool:
        """Whether our median is above the target."""
        return self.target is not None and bool(self.ours) and median(self.ours) > self.target

    @property
    def ratio(self) -> float | None:
        """How many times more mem0ai takes, where both were measured."""
        return median(self.mem0ai) / median(self.ours) if self.ours and self.mem0ai and median(self.ours) else None

    def as_json(self) -> dict[str, Any]:
        """Return everything known, samples included."""
        return {
            "size": self.size,
            "measure": self.row.key,
            "label": self.row.label,
            "unit": self.row.unit,
            "target": self.target,
            "missed": self.missed,
            "ours": summary(self.ours),
            "mem0ai": summary(self.mem0ai),
            "ratio": self.ratio,
        }


def summary(samples: list[float]) -> dict[str, Any] | None:
    """Return median, spread and the samples themselves."""
    if not samples:
        return None
    return {"median": median(samples), "low": min(samples), "high": max(samples), "samples": samples}


@dataclass(frozen=True)
class Runner:
    """Runs the jobs of one library with its interpreter, in a home folder that is thrown away."""

    library: str
    python: Path
    home: Path
    repeats: int
    only: frozenset[str] = ALL_ROWS

    def environment(self) -> dict[str, str]:
        """Return the environment: no key that names a provider, no telemetry, no folder of the user's."""
        kept = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "OPENAI_API_KEY")}
        kept |= {"MEM0_DIR": str(self.home / self.library), "MEM0_TELEMETRY": "False"}
        if self.library == "ours":
            kept["PYTHONPATH"] = str(HERE.parent)
        return kept

    def run(self, *arguments: str) -> str:
        """Run Python and return what it printed."""
        done = subprocess.run(
            [str(self.python), *arguments], env=self.environment(), cwd=self.home, capture_output=True, text=True
        )
        if done.returncode:
            raise SystemExit(f"{self.library}: {' '.join(arguments[1:2])} failed\n{done.stderr}")
        return done.stdout

    def job(self, job: str, folder: Path, count: int) -> dict[str, Any]:
        """Run one job of the worker."""
        say(f"  {self.library}: {job}")
        options = ["--library", self.library, "--folder", str(folder), "--count", str(count)]
        printed = self.run(str(HERE / "_worker.py"), job, *options, "--repeats", str(self.repeats))
        result: dict[str, Any] = json.loads(printed or "{}")
        return result

    def at_size(self, count: int, with_memory: bool) -> dict[str, Any]:
        """Measure everything that depends on how much is stored."""
        with tempfile.TemporaryDirectory(dir=self.home) as name:
            folder = Path(name)
            result = self.job("fill", folder, count)
            if self.wants("reopen"):
                opened = [self.job("reopen", folder, count)["reopen"][0] for _ in range(min(self.repeats, 5))]
                result["reopen"] = opened
            if with_memory and self.wants("memory"):
                growth = self.job("memory", folder, count)
                result |= {key: [grown / (count * RAW_ROW_BYTES)] for key, grown in growth.items()}
            if self.only & VERB_ROWS:
                result |= self.job("verbs", folder, count)
            for job in ("learn", "commits"):
                if self.wants(job):
                    result |= self.job(job, folder, count)
            return {key: samples for key, samples in result.items() if key in self.only}

    def wants(self, job: str) -> bool:
        """Tell whether a job measures a row that was asked for."""
        return bool(self.only & JOB_ROWS[job])

    def importing(self) -> list[float]:
        """Measure the import, each time in a new process; the first one, which may compile, is not counted."""
        return [float(self.run("-c", IMPORT_CODE)) for _ in range(self.repeats + 1)][1:]


def say(message: str) -> None:
    """Show progress, beside the output."""
    print(message, file=sys.stderr, flush=True)


def mem0ai_python(given: Path | None) -> Path:
    """Return the interpreter that has mem0ai, after making its environment if none was given and none is there."""
    return given.absolute() if given else python_with("mem0ai", MEM0AI)


def python_with(package: str, version: str) -> Path:
    """Return the interpreter of an environment that has a package, after making it if it is not there."""
    folder = HERE / ".envs" / f"{package}-{version}-py{sys.version_info.major}.{sys.version_info.minor}"
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    complete = folder / "complete"
    if not complete.exists():
        say(f"installing {package} {version} into {folder.relative_to(HERE.parent)}")
        venv.create(folder, clear=True, with_pip=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", f"{package}=={version}"], check=True)
        complete.touch()
    return python


def measure(arguments: argparse.Namespace, home: Path) -> list[Measure]:
    """Run both libraries at every size."""
    options = (home, arguments.repeats, arguments.only)
    ours = Runner("ours", Path(sys.executable), *options) if arguments.ours else None
    theirs = Runner("mem0ai", mem0ai_python(arguments.mem0ai_python), *options) if arguments.mem0ai else None
    sizes = {"ours": arguments.sizes if ours else [], "mem0ai": arguments.mem0ai_sizes if theirs else []}
    measures = []
    for size in sorted({*sizes["ours"], *sizes["mem0ai"]}):
        say(f"{size:,} memories")
        results: dict[str, dict[str, Any]] = {"ours": {}, "mem0ai": {}}
        for runner in (ours, theirs):
            if runner and size in sizes[runner.library]:
                results[runner.library] = runner.at_size(size, with_memory=size == max(sizes[runner.library]))
        for row in (*ROWS, *MEMORY_ROWS):
            mine, its = results["ours"].get(row.key, []), results["mem0ai"].get(row.key, [])
            if mine or its:
                measures.append(Measure(row, size, target_of(row, size, results["ours"]), mine, its))
    if IMPORT_ROW.key in arguments.only:
        say("import")
        imported = [runner.importing() if runner else [] for runner in (ours, theirs)]
        measures.append(Measure(IMPORT_ROW, None, IMPORT_ROW.target, *imported))
    return measures


def target_of(row: Row, size: int, ours: dict[str, Any]) -> float | None:
    """Return a row's target at a size; one of them is three times another row."""
    if row.key == "search_after_other":
        return 3 * median(ours["search"]) if "search" in ours and size >= OTHER_PROCESS_TARGET_FROM else None
    if row in MEMORY_ROWS and size < MEMORY_TARGET_FROM:
        return None
    return row.target


def cell(samples: list[float], unit: str) -> str:
    """Show the median, and the spread behind it."""
    if not samples:
        return "–"

    def show(value: float) -> str:
        return f"{value:.0f}" if value >= 100 else f"{value:.3g}"

    low, high = show(min(samples)), show(max(samples))
    spread = f" ({low}–{high})" if low != high else ""
    return f"{show(median(samples))}{f' {unit}' if unit else ''}{spread}"


def table(measures: list[Measure]) -> str:
    """Lay the measures out, a heading for each size."""
    lines = [("", "target", "this library", f"mem0ai {MEM0AI}", "mem0ai ÷ ours", "")]
    size: int | None = None
    for one in measures:
        if one.size != size:
            size = one.size
            lines.append((f"{size:,} memories" if size else "any size", "", "", "", "", ""))
        target = f"≤ {one.target:.3g}{f' {one.row.unit}' if one.row.unit else ''}" if one.target else ""
        ratio = f"{one.ratio:.3g}" if one.ratio else ""
        missed = "MISSED" if one.missed else ""
        ours, theirs = cell(one.ours, one.row.unit), cell(one.mem0ai, one.row.unit)
        lines.append((f"  {one.row.label}", target, ours, theirs, ratio, missed))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)


def sizes(text: str) -> list[int]:
    """Parse ``1000,10000``."""
    return [int(part) for part in text.split(",")]


def row_keys(text: str) -> frozenset[str]:
    """Parse ``learn,search``."""
    keys = frozenset(text.split(","))
    if unknown := keys - ALL_ROWS:
        raise argparse.ArgumentTypeError(
            f"no row {', '.join(sorted(unknown))}; there are {', '.join(sorted(ALL_ROWS))}"
        )
    return keys


def parse(argv: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--sizes", type=sizes, default=[1_000, 10_000, 100_000], help="memories we are given")
    parser.add_argument("--mem0ai-sizes", type=sizes, default=[1_000, 10_000], help="memories mem0ai is given")
    parser.add_argument("--mem0ai-python", type=Path, metavar="PYTHON", help="an interpreter that has mem0ai already")
    parser.add_argument("--no-mem0ai", dest="mem0ai", action="store_false", help="measure this library only")
    parser.add_argument("--no-ours", dest="ours", action="store_false", help="measure mem0ai only")
    parser.add_argument("--only", type=row_keys, default=ALL_ROWS, metavar="ROWS", help="rows to measure: learn,search")
    parser.add_argument("--repeats", type=int, default=7, help="samples of each time")
    parser.add_argument("--quick", action="store_true", help="1,000 and 10,000 memories, mem0ai 1,000, 3 repeats")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every sample there")
    parser.add_argument("--assert", dest="must_hold", action="store_true", help="exit with 1 if a target is missed")
    arguments = parser.parse_args(argv)
    if arguments.quick:
        arguments.sizes, arguments.mem0ai_sizes, arguments.repeats = [1_000, 10_000], [1_000], 3
    return arguments


def main(argv: list[str] | None = None) -> int:
    """Measure, show, and judge if asked to."""
    arguments = parse(argv)
    with tempfile.TemporaryDirectory(prefix="mem0-overhead-") as home:
        measures = measure(arguments, Path(home).resolve())
    processors = f"{platform.machine()}, {os.cpu_count()} processors"
    machine = f"Python {platform.python_version()}, {platform.system()} {processors}"
    print(f"CPU time: median of {arguments.repeats} samples (lowest–highest). 384 dims, 100 users. {machine}\n")
    print(table(measures))
    if arguments.json:
        report = {"machine": machine, "mem0ai": MEM0AI, "measures": [one.as_json() for one in measures]}
        arguments.json.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    missed = [one for one in measures if one.missed]
    if missed:
        print(f"\n{len(missed)} target(s) missed")
    return 1 if missed and arguments.must_hold else 0


if __name__ == "__main__":
    sys.exit(main())
