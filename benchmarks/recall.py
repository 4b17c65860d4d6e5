"""How much of the evidence a search brings back, through the public ``add`` and ``search``.

    python benchmarks/recall.py locomo.json

The file is a list of conversations in the shape of LoCoMo (Maharana et al., "Evaluating Very Long-Term
Conversational Memory of LLM Agents", 2024), which is not part of this repository:

    {"sample_id": …, "sessions": [{"date_time": "1:56 pm on 8 May, 2023",
                                   "turns": [{"speaker": …, "dia_id": …, "text": …, "blip_caption": …}]}],
     "qa": [{"question": …, "evidence": ["D1:3"], "category": 1}]}

Every turn is one memory of its conversation's user.  The recall of a question is the share of its evidence
turns among the first K results; category 5 asks for what was never said, and is reported apart.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta, timezone
from pathlib import Path
from statistics import mean
from typing import Any

from mem0 import Memory

CUTS = (5, 10, 20, 50)
CATEGORIES = {1: "multi-hop", 2: "temporal", 3: "open-domain", 4: "single-hop", 5: "adversarial"}


def turns(conversation: Mapping[str, Any]) -> Iterator[tuple[str, str, datetime]]:
    """Yield each turn's id, text and time; turns of a session follow each other by a second."""
    for session in conversation["sessions"]:
        start = datetime.strptime(session["date_time"], "%I:%M %p on %d %B, %Y").replace(tzinfo=timezone.utc)
        for number, turn in enumerate(session["turns"]):
            text = f"{turn['speaker']}: {turn['text']}"
            if turn.get("blip_caption"):
                text += f" [shares {turn['blip_caption']}]"
            yield turn["dia_id"], text, start + timedelta(seconds=number)


def questions(conversation: Mapping[str, Any]) -> Iterator[tuple[str, set[str], int]]:
    """Yield each question with its evidence and category; those without usable evidence are left out."""
    known = {turn for turn, _, _ in turns(conversation)}
    for question in conversation["qa"]:
        evidence = set(question["evidence"]) & known
        if evidence:
            yield question["question"], evidence, question["category"]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="the conversations, as JSON")
    conversations = json.loads(parser.parse_args().data.read_text(encoding="utf-8"))
    recalls: dict[int, list[tuple[float, ...]]] = defaultdict(list)
    adding = searching = 0.0
    added = asked = 0
    with Memory(path=":memory:") as memory:
        for conversation in conversations:
            user = conversation["sample_id"]
            started = time.process_time()
            for turn, text, when in turns(conversation):
                memory.add(text, user_id=user, metadata={"turn": turn}, timestamp=when)
                added += 1
            adding += time.process_time() - started
            for question, evidence, category in questions(conversation):
                started = time.process_time()
                found = memory.search(question, user_id=user, limit=max(CUTS))
                searching += time.process_time() - started
                asked += 1
                ranked = [row["metadata"]["turn"] for row in found]
                recalls[category].append(tuple(len(evidence & set(ranked[:cut])) / len(evidence) for cut in CUTS))
    print("recall of evidence     questions  " + "".join(f"  @{cut:<5}" for cut in CUTS))
    answerable = [row for category, rows in recalls.items() if category != 5 for row in rows]
    lines = [("answerable (1-4)", answerable)]
    lines += [(f"  {number} {CATEGORIES.get(number, '')}", recalls[number]) for number in sorted(recalls)]
    for name, rows in lines:
        values = "".join(f"  {mean(row[at] for row in rows):.3f} " for at in range(len(CUTS)))
        print(f"{name:<22} {len(rows):>9}  {values}")
    print(f"CPU, embedding included: {1000 * adding / added:.1f} ms an add, {1000 * searching / asked:.1f} ms a search")


if __name__ == "__main__":
    main()
