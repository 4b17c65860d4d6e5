"""Kill a process that uses a memory, a thousand times, and look each time whether anything was lost or is half there.

    python tools/torture.py --kills 1000 --threads 4 --stores sqlite,separate,qdrant,plain
    python tools/torture.py --mode threads-processes
    python tools/torture.py --mode readers

A process adds, changes and deletes memories from several threads and is killed (SIGKILL) at a random moment: while it
opens, while it writes, while it undoes what the last one left half done.  Another process then opens the memory.
Every acknowledged change must be there; every call that was cut off must be there wholly or not at all; store,
history, vectors and keywords must agree; a cut-off call that is made again must leave no duplicate; and SQLite must
find its files sound.  The first disagreement is printed, its folder is kept, and the exit status is 1.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

from torture_child import STORES, look, work
from torture_judge import Disagreement, Expected

# What processes find imported: what is imported on use would else take most of a short life.
_IMPORTED = ["torture_child", "torture_crowd", "mem0.vector_stores.qdrant", "mem0.vector_stores.sqlite"]
_IMPORTED += ["portalocker", "snowballstemmer"]

# Every so many kills one hits a folder that does not exist yet.
_NEW_FOLDER = 5

# How often a process that was killed is followed by the next one at once, which then has its work to undo.
_UNSEEN = 0.25

# How many kills hit a process that is about to open the memory.  The others hit one that has logged so many lines, or
# has worked for so many seconds, and then within so many seconds: not with a line, but somewhere between two.
_EARLY = 0.25
_WORK, _LONGEST_WORK, _AFTER = 80, 1.0, 0.03

# Lines of the log, and disagreements, that are printed, and how many characters of each.
_TAIL, _MOST_TOLD, _LONGEST = 12, 10, 500


# -- killing ----------------------------------------------------------------------------------------


class Case:
    """A folder with a memory, what must be in it, and how it is killed."""

    def __init__(self, context: Any, store: str, folder: Path, seed: str, threads: int) -> None:
        self.context = context
        self.store = store
        self.folder = folder
        self.seed = seed
        self.threads = threads
        self.expected = Expected(may_refuse=store == "plain")
        self.log = Path()
        self.moment = 0.0
        self.opening = 0.1  # seconds that it takes, as seen last

    def kill(self, number: int, dice: random.Random, *, early: bool) -> None:
        """Let a process work, kill it, and read its log."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.log = self.folder / f"calls-{number:05}.jsonl"
        arguments = (self.store, self.folder, self.log, f"{self.seed} {number}", self.threads)
        process = self.context.Process(target=work, args=arguments)
        began = time.monotonic()
        process.start()
        wanted = dice.randint(1, _WORK)
        while not early and process.is_alive() and self._logged() < wanted:
            time.sleep(0.001)
            if not self._logged():
                self.opening = time.monotonic() - began
            elif time.monotonic() > began + self.opening + _LONGEST_WORK:
                break
        time.sleep(dice.uniform(0, self.opening * 1.5 if early else _AFTER))
        self.moment = time.monotonic() - began
        process.kill()
        process.join()
        if process.exitcode != -signal.SIGKILL:
            raise Disagreement(f"the process ended by itself with status {process.exitcode}; it says why above")
        # A last line without its end was being written: its call has not begun, or was not acknowledged.
        lines = self.log.read_text().split("\n")[:-1] if self.log.exists() else []
        self.expected.read([json.loads(line) for line in lines])

    def _logged(self) -> int:
        return self.log.read_bytes().count(b"\n") if self.log.exists() else 0

    def check(self) -> None:
        """Have another process look, and judge what it saw."""
        receiver, sender = self.context.Pipe(duplex=False)
        arguments = (self.store, self.folder, f"{self.seed} {self.log.name}", [*self.expected.cut_off.values()])
        process = self.context.Process(target=_send_look, args=(sender, *arguments))
        process.start()
        sender.close()
        try:
            looks = receiver.recv()
        except EOFError:
            raise Disagreement("the process that looks could not; it says why above") from None
        finally:
            process.join()
        self.expected.judge(looks)


def _send_look(sender: Any, *arguments: Any) -> None:
    sender.send(look(*arguments))


def tortured(context: Any, store: str, folder: Path, seed: str, kills: int, threads: int) -> dict[str, Any]:
    """Kill a memory in one kind of store so many times, and return a row of the table.

    Raises:
        Disagreement: Something was lost, or is half there; the message says all that is known.
    """
    dice = random.Random(f"{seed} {store}")
    began = time.monotonic()
    case = Case(context, store, folder / "grown", seed, threads)
    counts: Counter[str] = Counter()
    unseen = False
    hit, number = case, 0
    try:
        for number in range(1, kills + 1):
            hit = case if number % _NEW_FOLDER else Case(context, store, folder / f"new-{number}", seed, threads)
            hit.kill(number, dice, early=unseen or hit is not case or dice.random() < _EARLY)
            if hit is case:
                unseen = dice.random() < _UNSEEN
            if hit is not case or not unseen:
                hit.check()
            if hit is not case:
                counts += hit.expected.counts
                shutil.rmtree(hit.folder)
        hit = case
        hit.check()
    except Disagreement as error:
        raise Disagreement(_told(hit, number, error)) from error
    counts += case.expected.counts
    columns = ("checks", "acknowledged", "refused", "whole", "absent", "undone")
    row: dict[str, Any] = {"store": store, "kills": kills, **{name: counts[name] for name in columns}}
    return {**row, "seconds": round(time.monotonic() - began, 1)}


def _told(case: Case, number: int, error: Disagreement) -> str:
    log = case.log.read_text().splitlines()[-_TAIL:] if case.log.exists() else ["(nothing was logged)"]
    lines = [
        f"seed {case.seed}, store {case.store}, kill {number}, after {case.moment:.3f} s, folder {case.folder}",
        "the last it logged:",
        *(f"  {line}" for line in log),
        "what disagrees:",
        *(f"  {problem}" for problem in error.args[:_MOST_TOLD]),
    ]
    return "\n".join(lines)


# -- the command ------------------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> int:
    """Torture as the command line says, and return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--mode", choices=("kills", "threads-processes", "readers"), default="kills")
    parser.add_argument("--kills", type=int, default=100, help="how many for each kind of store (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=4, help="of the process that is killed (default: %(default)s)")
    parser.add_argument("--stores", default=",".join(STORES), help="which kinds of store (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=10.0, help="of the other modes (default: %(default)s)")
    parser.add_argument("--seed", help="of everything but the operating system's timing (default: a new one)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results here, too")
    parser.add_argument("--keep", action="store_true", help="keep the folder also where nothing disagrees")
    options = parser.parse_args(arguments)
    stores = options.stores.split(",")
    if unknown := {*stores} - {*STORES}:
        parser.error(f"--stores: {', '.join(sorted(unknown))} is none of {', '.join(STORES)}")
    folder = Path(tempfile.mkdtemp(prefix="mem0-torture-"))
    context = processes(folder)
    seed = options.seed or f"{random.getrandbits(32):08x}"
    rows: list[dict[str, Any]] = []
    print(f"seed {seed}, folder {folder}", flush=True)
    try:
        if options.mode == "kills":
            for store in stores:
                rows.append(tortured(context, store, folder / store, seed, options.kills, options.threads))
                show(rows[-1:], header=len(rows) == 1)
        else:
            import torture_crowd

            mode = torture_crowd.crowd if options.mode == "threads-processes" else torture_crowd.readers
            rows = mode(context, folder, options.seconds)
            show(rows)
    except Disagreement as error:
        lines = [line for problem in error.args[:_MOST_TOLD] for line in str(problem).splitlines()]
        print(*(line[:_LONGEST] for line in lines), sep="\n", file=sys.stderr)
        return 1
    finally:
        if options.json:
            options.json.write_text(json.dumps({"seed": seed, "mode": options.mode, "rows": rows}, indent=1) + "\n")
    if not options.keep:
        shutil.rmtree(folder)
    return 0


def processes(folder: Path) -> Any:
    """Return what starts processes that find everything imported, and have never opened anything."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_IMPORTED)
    # They are forked from a process that imports what this one would, and nothing from where it is started.
    os.environ["PYTHONPATH"] = os.pathsep.join(sys.path)
    here = Path.cwd()
    os.chdir(folder)
    forkserver.ensure_running()
    os.chdir(here)
    return context


def show(rows: Sequence[Mapping[str, Any]], *, header: bool = True) -> None:
    """Print a table."""
    if header:
        print("".join(f"{name:>14}" for name in rows[0]))
    for row in rows:
        print("".join(f"{value:>14}" for value in row.values()), flush=True)


if __name__ == "__main__":
    sys.exit(main())
