"""The first minutes: remember, ask, change, forget.

python examples/quickstart.py
"""

from mem0 import Memory


def main() -> None:
    # One file, $MEM0_DIR/mem0.db or ~/.mem0/mem0.db; Memory(path="...") names another one.
    with Memory() as memory:
        # Anything that was said: a text, or messages as a chat API has them.
        moved = memory.add("I moved to Lisbon and I'm allergic to peanuts.", user_id="alice")[0]
        memory.add(
            [
                {"role": "user", "content": "Our team meets on Thursdays at ten now."},
                {"role": "assistant", "content": "I've changed it in your calendar."},
            ],
            user_id="alice",
        )
        memory.add("I take my coffee black.", user_id="bob")

        # Ask in your own words; what other users said stays theirs.
        for question in ("what can't she eat?", "when is the team meeting?"):
            best = memory.search(question, user_id="alice", limit=1)[0]
            print(f"{question:<25}  {best['memory']}")

        # A fact changes: the memory has the new text, its history both.
        memory.update(moved["id"], "I moved to Porto and I'm allergic to peanuts.")
        for row in memory.history(moved["id"]):
            print(f"{row['event']:<25}  {row['new_value']}")

        # Forget for good: `purge` takes the history as well, and every trace on the disk.
        for user in ("alice", "bob"):
            gone = memory.delete_all(user_id=user, purge=True)
            print(f"{'forgotten':<25}  {gone['deleted']} of {user}'s")


if __name__ == "__main__":
    main()
