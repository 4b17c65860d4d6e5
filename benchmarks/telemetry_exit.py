"""How long a process takes to exit, telemetry off and on, with endpoints that answer, refuse, hang or are slow.

    python benchmarks/telemetry_exit.py            # two minutes
    python benchmarks/telemetry_exit.py --assert   # exit with 1 where an exit takes longer than 0.5 s

The time runs from the last line of the script to the end of the process, on the clock: nothing else should be running.
"at once" is a script of one call, which ends while posthog is still being imported; "later" one that ends two seconds
after its first call, right after another.  "added" is the median without that of "off"; "arrived" is how many of the
events of all runs came in.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "loopback"))

from telemetry_server import TelemetryServer, refusing  # noqa: E402 - it is the tests'

TARGET = 0.5
AT_ONCE = """
import time
from mem0 import Memory
with Memory() as m:
    m.add("likes tea", user_id="alice")
{more}
print(time.time(), flush=True)
"""
LATER = """
    time.sleep(2)
    m.search("tea", user_id="alice")
"""
ENDPOINTS: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "off": nullcontext,
    "answers": TelemetryServer,
    "answers in 0.2 s": lambda: TelemetryServer(delay=0.2),
    "answers in 3 s": lambda: TelemetryServer(delay=3),
    "hangs for 60 s": lambda: TelemetryServer(delay=60),
    "refuses": refusing,
}


def exit_seconds(code: str, host: str | None) -> float:
    """Run a script, and return what it took from its last line to its end."""
    switched = {"MEM0_TELEMETRY": "true", "MEM0_TELEMETRY_KEY": "phc_loopback", "MEM0_TELEMETRY_HOST": host or ""}
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MEM0_", "OPENAI_"))}
    with tempfile.TemporaryDirectory() as home:
        process = subprocess.run(
            [sys.executable, "-c", code],
            env={**kept, "PYTHONPATH": str(ROOT), "MEM0_DIR": home, **(switched if host else {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            check=True,
        )
        ended = time.time()
    return ended - float(process.stdout)


def main() -> int:
    """Measure, print the table, and say whether every exit was short enough."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=5, help="samples of each time")
    parser.add_argument("--assert", dest="judge", action="store_true", help=f"fail above {TARGET} s")
    options = parser.parse_args()
    longest = 0.0
    off: dict[str, float] = {}
    print(f"{'endpoint':<18}{'exit':<9}{'median':>9}{'longest':>9}{'added':>9}   arrived")
    for name, endpoint in ENDPOINTS.items():
        for when, more, events in (("at once", "", 1), ("later", LATER, 2)):
            with endpoint() as there:
                host = getattr(there, "url", there)
                took = [exit_seconds(AT_ONCE.format(more=more), host) for _ in range(options.repeats)]
                arrived = f"{len(there.events)}/{events * len(took)}" if isinstance(there, TelemetryServer) else ""
            added = median(took) - off.setdefault(when, median(took))
            print(
                f"{name:<18}{when:<9}{median(took):>7.2f} s{max(took):>7.2f} s{added:>7.2f} s   {arrived}", flush=True
            )
            longest = max(longest, *took)
    print(f"\nlongest: {longest:.2f} s, wanted: {TARGET} s at most")
    return int(options.judge and longest > TARGET)


if __name__ == "__main__":
    sys.exit(main())
