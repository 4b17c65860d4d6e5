"""Print pip constraints that hold every dependency at the lowest version it allows, those of providers included.

Reads the metadata of the wheel given, so that nothing is written down twice.
"""

from __future__ import annotations

import re
import sys
import zipfile
from email.parser import Parser


def main(wheel: str) -> None:
    """Turn ``Requires-Dist: numpy<3,>=1.24`` into ``numpy==1.24``; tools for work on the package stay free."""
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        headers = Parser().parsestr(archive.read(name).decode())
    for requirement in headers.get_all("Requires-Dist") or []:
        extra = re.search(r"extra == '([^']+)'", requirement)
        if requirement.startswith("mem0-embedded") or (extra and extra[1] in ("dev", "docs")):
            continue
        match = re.match(r"(?P<name>[\w.-]+)[^;]*>=(?P<version>[\w.]+)", requirement)
        if match is None:
            sys.exit(f"no lower bound: {requirement}")
        print(f"{match['name']}=={match['version']}")


if __name__ == "__main__":
    main(sys.argv[1])
