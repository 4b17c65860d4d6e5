"""Memory in an asyncio program: the same verbs, awaited.

python examples/async_memory.py
"""

import asyncio

from mem0 import AsyncMemory

SAID = {
    "alice": "I'm allergic to peanuts.",
    "bob": "I only drink decaf after noon.",
    "clara": "Ich habe eine Pollenallergie.",
}


async def main() -> None:
    async with AsyncMemory(path=":memory:") as memory:
        # Calls run side by side and leave the event loop free; each is stored wholly or not at all.
        await asyncio.gather(*(memory.add(text, user_id=user) for user, text in SAID.items()))

        # A handle bound to one user, to pass on to whatever serves that user.
        alice = memory.scope(user_id="alice")
        await alice.add("My flight to Oslo leaves on Tuesday.")

        answers = await asyncio.gather(
            alice.search("what is she allergic to?", limit=1),
            memory.search("can I offer him a coffee?", user_id="bob", limit=1),
            memory.search("Pollen", user_id="clara", limit=1),
        )
        for (best,) in answers:
            print(f"{best['user_id']:<6} {best['score']:.2f}  {best['memory']}")
        print(f"{(await memory.get_all()).total} memories in all")


if __name__ == "__main__":
    asyncio.run(main())
