"""How much of the evidence a search brings back, through the public ``add``, ``search`` and ``context``.

    python benchmarks/retrieval/run.py FILE [FILE ...]             # one memory for each conversation
    python benchmarks/retrieval/run.py --together FILE [FILE ...]  # all conversations in one memory
    python benchmarks/retrieval/run.py --ablate FILE               # again without each leg
    python benchmarks/retrieval/run.py --without late,dense FILE   # again without these
    python benchmarks/retrieval/run.py --compare '{"embedder": {"provider": "onnx", "config": {"late_interaction":
        false}}}' FILE                                             # again with another configuration
    python benchmarks/retrieval/run.py --auto FILE                 # again with threshold="auto"
    python benchmarks/retrieval/run.py --auto --off-topic QUESTIONS FILE   # … and other questions off the topic
    python benchmarks/retrieval/run.py --against mem0ai FILE       # again with mem0ai

The recall of a question is the share of its evidence turns among the first K results, MRR one divided by the place of
the first of them; "tok" is the share in the text that ``context`` packs into so many tokens, by its own estimate.
Behind each mean stands the half-width of its 95 % interval, over questions, by bootstrap.  Every turn is one ``add``,
with its time, and every question is asked at its own time.  Questions that cannot be answered (LoCoMo's category 5) are
reported apart.  What is asked again is compared with the first, question by question: above 0 it finds more.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from conversations import UNANSWERABLE, Conversation, Question, read_all, texts_of
from scoring import BUDGETS, CUTS, Answer, Asked, compared, scored, table

from mem0 import Memory
from mem0 import legs as weighed
from mem0.embeddings.onnx import BUNDLED_MODEL, OnnxEmbedding
from mem0.memory.packing import estimated_tokens
from mem0.memory.threshold import Threshold
from mem0.testing import FrozenClock

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from _libraries import FreeLLM  # noqa: E402 - it lies beside this folder
from overhead import MEM0AI, Runner, mem0ai_python  # noqa: E402

LEGS = {**weighed.FINE, **weighed.COARSE}

OFF_TOPIC = HERE / "data" / "off_topic.txt"

#: What is measured unless told otherwise, whatever keys the environment holds.
DEFAULTS = {"embedder": {"provider": "onnx"}}


class Filled:
    """A memory of this library that holds conversations, each under a user of its own.

    Args:
        config: What the memory is made of, where it is not the default.
        conversations: What it holds.
        budgets: Into how many tokens what is found of a question is packed, each by itself.
    """

    def __init__(
        self, config: Mapping[str, Any], conversations: Sequence[Conversation], budgets: Sequence[int]
    ) -> None:
        self.conversations = conversations
        self.budgets = budgets
        self.clock = FrozenClock()
        self.llm = FreeLLM()
        self.memory = Memory(DEFAULTS | dict(config), path=":memory:", clock=self.clock, llm=self.llm)
        for conversation in conversations:
            for turn in conversation.turns:
                self.llm.facts = [turn.text]  # what the LLM makes of it, where it is asked
                self.memory.add(
                    {"role": turn.role or "user", "content": turn.text},
                    user_id=conversation.id,
                    metadata={"turn": turn.id},
                    timestamp=turn.time,
                    infer=turn.role is None,
                )

    def __enter__(self) -> Filled:
        return self

    def __exit__(self, *_: object) -> None:
        self.memory.close()

    def asked(self, threshold: Threshold = None) -> list[Asked]:
        """Ask every question."""
        return scores(self.conversations, self._answers(threshold))

    def silent(self, questions: Sequence[tuple[Conversation, Sequence[Question]]]) -> float:
        """Return for how large a share of questions nothing is convincing in some conversations."""
        found = []
        for conversation, some in questions:
            for question in some:
                self.clock.set(question.asked)
                found.append(self.memory.search(question.text, user_id=conversation.id, limit=1, threshold="auto"))
        return sum(not rows for rows in found) / len(found)

    def _answers(self, threshold: Threshold) -> Iterator[Answer]:
        for conversation in self.conversations:
            user = conversation.id
            self.memory.search("what is known?", user_id=user)  # reads the conversation into memory
            for question in conversation.questions:
                self.clock.set(question.asked)
                started = time.process_time()
                found = self.memory.search(question.text, user_id=user, limit=max(CUTS), threshold=threshold)
                took = 1000 * (time.process_time() - started)
                packed = [
                    self.memory.context(question.text, user_id=user, max_tokens=budget).memories
                    for budget in self.budgets
                ]
                yield Answer(_turns(found), [_turns(rows) for rows in packed], took)


def _turns(found: Sequence[Mapping[str, Any]]) -> list[str]:
    return [row["metadata"]["turn"] for row in found]


def mem0ai_answers(arguments: Sequence[str], conversations: Sequence[Conversation]) -> list[list[Answer]]:
    """Ask mem0ai the same in a process of its own.

    Args:
        arguments: Those that say what is read, as this program had them.
        conversations: What that is, because the vectors are made here.

    Returns:
        Its answers as it is, and those with ``threshold=0``.
    """
    embedder = OnnxEmbedding({"late_interaction": False})
    with tempfile.TemporaryDirectory() as home:
        vectors = Path(home) / "vectors.npy"
        np.save(vectors, np.array([embedder.embed(text) for text in texts_of(conversations)], dtype=np.float32))
        runner = Runner("mem0ai", mem0ai_python(None), Path(home), repeats=1)
        printed = runner.run(str(HERE / "_mem0ai.py"), *arguments, "--vectors", str(vectors))
    return [[Answer(ranked, [], took) for ranked, took in answers] for answers in json.loads(printed)]


def scores(conversations: Sequence[Conversation], answers: Iterable[Answer]) -> list[Asked]:
    """Return what answers are worth, which come in the order of the questions."""
    tokens = [{turn.id: estimated_tokens(turn.text) for turn in one.turns} for one in conversations]
    asked = [(question, of) for one, of in zip(conversations, tokens, strict=True) for question in one.questions]
    return [scored(question, answer, of) for (question, of), answer in zip(asked, answers, strict=True)]


@contextmanager
def without(*legs: str) -> Iterator[None]:
    """Search without some legs until the block ends."""
    before = {name: getattr(weighed, name) for name in ("FINE", "COARSE", "WORDS_ALONE")}
    for name, counts in before.items():
        setattr(weighed, name, {leg: counts[leg] for leg in counts if leg not in legs})
    try:
        yield
    finally:
        for name, counts in before.items():
            setattr(weighed, name, counts)


def leg_names(text: str) -> list[str]:
    """Parse ``late,dense``."""
    names = text.split(",")
    if unknown := set(names).difference(LEGS):
        raise argparse.ArgumentTypeError(f"no leg {', '.join(sorted(unknown))}; there are {', '.join(LEGS)}")
    return names


def answerability(filled: Filled, conversations: Sequence[Conversation], off_topic: Sequence[str]) -> Iterator[str]:
    """Yield how often ``threshold="auto"`` finds nothing, for questions with and without an answer."""
    own = [(one, [each for each in one.questions if each.category not in UNANSWERABLE]) for one in conversations]
    others = [(one, [each for other, some in own if other is not one for each in some]) for one in conversations]
    general = [Question(text, frozenset(), "", conversations[0].questions[0].asked) for text in off_topic]
    for name, questions in (
        ("its own questions", own),
        ("other conversations'", others),
        ("off-topic", [(one, general) for one in conversations]),
    ):
        if any(some for _, some in questions):
            yield f"  nothing found for {name:<22} {filled.silent(questions):.3f}"


def measured(paths: Sequence[Path], options: argparse.Namespace) -> None:
    """Print what is found in some files."""
    conversations = read_all(paths, options.together)
    count = sum(len(one.turns) for one in conversations)
    budgets = () if options.no_context else BUDGETS
    started = time.process_time()
    with Filled(options.config, conversations, budgets) as filled:
        took = 1000 * (time.process_time() - started) / count
        print(f"\n{' + '.join(path.name for path in paths)}: {count} turns, {took:.1f} ms CPU an add")
        found = filled.asked()
        print(*table(found), sep="\n")
        if options.auto:
            print(compared('with threshold="auto"', found, filled.asked("auto")))
            print(*answerability(filled, conversations, options.off_topic.read_text("utf-8").splitlines()), sep="\n")
        for legs in [*options.without, *([name] for name in LEGS if options.ablate)]:
            with without(*legs):
                print(compared(f"without {','.join(legs)}", found, filled.asked()))
    for config in options.compare:
        with Filled(config, conversations, budgets) as other:
            again = other.asked()
        print(f"\nwith {json.dumps(config)}", *table(again), compared("difference", found, again), sep="\n")
    if options.against:
        arguments = [*(str(path.resolve()) for path in paths), *(["--together"] if options.together else [])]
        theirs, uncut = (scores(conversations, answers) for answers in mem0ai_answers(arguments, conversations))
        print(f"\nmem0ai {MEM0AI} as installed, infer=False; vectors of {BUNDLED_MODEL}, made beforehand")
        print(*table(theirs), compared("difference", found, theirs), sep="\n")
        print(compared("… with threshold=0", found, uncut))


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="+", help="conversations, as JSONL or in LoCoMo's shape")
    parser.add_argument("--together", action="store_true", help="all conversations in one memory")
    parser.add_argument("--config", type=json.loads, default={}, metavar="JSON", help="what Memory is made from")
    parser.add_argument(
        "--compare", type=json.loads, action="append", default=[], metavar="JSON", help="again made from this"
    )
    parser.add_argument("--ablate", action="store_true", help="again without each leg")
    parser.add_argument(
        "--without", type=leg_names, action="append", default=[], metavar="LEG,...", help="again without these legs"
    )
    parser.add_argument("--auto", action="store_true", help='again with threshold="auto"')
    parser.add_argument("--off-topic", type=Path, default=OFF_TOPIC, help="for --auto: other questions of nobody")
    parser.add_argument("--no-context", action="store_true", help="pack nothing, which takes a quarter of the time")
    parser.add_argument("--against", choices=["mem0ai"], help="again with mem0ai, in an environment of its own")
    options = parser.parse_args()
    for paths in [options.data] if options.together else [[path] for path in options.data]:
        measured(paths, options)


if __name__ == "__main__":
    main()
