"""Use the installed library as a newcomer would, somewhere away from its source tree.

Run by an interpreter into which the built wheel was installed and nothing else.  Fails when a file is
missing from the wheel, when memories do not come back, or when anything was written that was not asked for.
"""

from __future__ import annotations

import sys
import tempfile
from importlib import metadata
from pathlib import Path

import mem0
from mem0 import Memory
from mem0._version import DISTRIBUTION, __version__

SHIPPED = [
    "mem0/py.typed",
    "mem0/embeddings/minilm/model.onnx",
    "mem0/embeddings/minilm/tokenizer.json",
    f"{DISTRIBUTION.replace('-', '_')}-{__version__}.dist-info/licenses/LICENSE",
    f"{DISTRIBUTION.replace('-', '_')}-{__version__}.dist-info/licenses/NOTICE",
]


def check_files() -> None:
    """The wheel holds what it must, and only the package."""
    assert metadata.version(DISTRIBUTION) == __version__
    assert Path(mem0.__file__).is_relative_to(sys.prefix), f"mem0 was imported from {mem0.__file__}"
    files = {file.as_posix(): file for file in metadata.files(DISTRIBUTION) or []}
    missing = [name for name in SHIPPED if name not in files or not Path(files[name].locate()).is_file()]
    assert not missing, f"not in the wheel: {missing}"
    strays = {name for name in files if not name.startswith(("mem0/", DISTRIBUTION.replace("-", "_")))}
    assert not strays, f"does not belong in the wheel: {sorted(strays)}"


def check_memory(folder: Path) -> None:
    """What is added is found, and found again after reopening."""
    path = folder / "memories.db"
    with Memory(path=path) as memory:
        memory.add("I moved to Lisbon and I'm allergic to peanuts.", user_id="alice")
        memory.add("The quarterly report is due on Friday.", user_id="alice")
        found = memory.search("what can't she eat?", user_id="alice")
        assert "peanuts" in found[0]["memory"], found
    with Memory(path=path) as memory:
        found = memory.search("Lisbon", user_id="alice")
        assert "Lisbon" in found[0]["memory"], found
        assert memory.get_all(user_id="alice").total == 2
        assert memory.search("Lisbon", user_id="bob") == []


def main() -> None:
    """Run every check."""
    home = Path.home()
    before = set(home.rglob("*"))
    check_files()
    with tempfile.TemporaryDirectory() as folder:
        check_memory(Path(folder))
    written = set(home.rglob("*")) - before
    assert not written, f"written to the home folder: {sorted(map(str, written))}"
    python = ".".join(map(str, sys.version_info[:3]))
    print(f"smoke: {DISTRIBUTION} {__version__} works on Python {python}, {sys.platform}")


if __name__ == "__main__":
    main()
