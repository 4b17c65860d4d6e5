"""Print pip constraints that hold dependencies at the lowest version they allow.

    python .ci/lowest.py WHEEL core         those that everybody has
    python .ci/lowest.py WHEEL providers    those of the extras, one for each provider

Reads the metadata of the wheel, so that nothing is written down twice.
"""

from __future__ import annotations

import re
import sys
import zipfile
from email.parser import Parser


def main(wheel: str, which: str) -> None:
    """Turn ``Requires-Dist: numpy<3,>=1.24`` into ``numpy==1.24``."""
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        headers = Parser().parsestr(archive.read(name).decode())
    for requirement in headers.get_all("Requires-Dist") or []:
        extra = re.search(r"extra == '([^']+)'", requirement)
        is_core, is_tool = extra is None, extra is not None and extra[1] in ("dev", "docs", "test")
        if requirement.startswith("mem0-embedded") or is_tool or is_core != (which == "core"):
            continue
        match = re.match(r"(?P<name>[\w.-]+)[^;]*>=(?P<version>[\w.]+)", requirement)
        if match is None:
            sys.exit(f"no lower bound: {requirement}")
        print(f"{match['name']}=={match['version']}")


if __name__ == "__main__":
    main(*sys.argv[1:])
