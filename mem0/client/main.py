"""``MemoryClient`` and ``AsyncMemoryClient``: the verbs of the hosted service.  The two only send.

What is asked is built in :mod:`mem0.client.requests`, what comes back is read in :mod:`mem0.client.replies`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import httpx

from mem0.client.core import Hosted, answered, ids_of, unanswered
from mem0.client.inputs import amended, merged
from mem0.client.replies import Call, HostedList, Pause, Reply
from mem0.client.requests import NOT_GIVEN, Request, following
from mem0.exceptions import APIError, ClosedError

__all__ = ["APIError", "AsyncMemoryClient", "MemoryClient"]


class MemoryClient(Hosted[httpx.Client]):
    """The memory that a hosted service keeps.

    Args:
        api_key: The key.  Default: the variable ``MEM0_API_KEY``.
        host: The service's address, with ``/v1`` at its end or without.  Default: that of ``client``, else
            ``https://api.mem0.ai``.
        org_id: The organisation, where the key alone does not say it; sent with every request.
        project_id: The same for the project.
        client: An ``httpx.Client`` of your own, with its own time-outs and proxies; closing it is yours.
        api_version: ``"v1"``, ``"v2"`` or ``"v3"``: which paths ``add``, ``search`` and ``get_all`` have.  Filters that
            ``"v1"`` does not know go to ``"v2"``.
        timeout: Seconds to wait for the connection, and for each part of the answer; an ``httpx.Timeout``, or ``None``
            for no limit; a client of your own has its own.
        max_retries: How often what is idempotent, so never an ``add``, is sent again after 408, 409, 425, 429, 5xx or
            a lost connection.  ``Retry-After`` is honoured up to a minute.
        validate: Whether to ask at once if the key is good; otherwise nothing is sent before the first verb.

    Attributes:
        api_key: The key.
        host: The address, without version.
        client: The HTTP client.

    Lists come as :class:`~mem0.MemoryList`, whichever of its shapes the service chose.  Each verb passes on further
    keywords that the service documents; those that are ``None`` are left out.  Keywords may also come together as
    ``options``: a dict, or a pydantic model, of which only what was set counts.  An id is a literal: the service's
    wildcard ``"*"`` is refused.

    Raises:
        ConfigError: There is no key, or another argument cannot be used.
        APIError: With ``validate``: the key was refused, or the service was not reached.
    """

    _http = httpx.Client

    def add(
        self,
        messages: Any = None,
        options: Any = None,
        *,
        data: Any = None,
        user_id: object = None,
        agent_id: object = None,
        app_id: object = None,
        run_id: object = None,
        metadata: Mapping[str, Any] | None = None,
        **further: Any,
    ) -> Any:
        """Remember what was said.  Never sent twice: a lost answer does not say whether it was stored.

        Args:
            messages: Text, a message dict ``{"role", "content"}``, or a list of either.
            options: More of these arguments, together.
            data: Another name of ``messages``.
            user_id: Whose memory it is.
            agent_id: The agent it belongs to.
            app_id: The application it belongs to.
            run_id: The run or session it belongs to.
            metadata: The user's own data, JSON, kept beside each memory.
            further: What else the service takes: ``infer``, ``timestamp``, ``custom_instructions``, ...

        Returns:
            A list of changes, each with ``id`` and ``event``; or, where the service works on later,
            ``{"message", "status", "event_id"}``.  An empty list for empty input.

        Raises:
            ValidationError: An argument cannot be accepted; nothing was sent.
            APIError: The service refused, failed, or was not reached.
        """
        ids = ids_of(user_id, agent_id, app_id, run_id)
        given = {"messages": messages, "data": data, **ids, "metadata": metadata, **further}
        return self._run(self._ask(self._api.add(merged(options, given))))

    def search(
        self,
        query: str,
        options: Any = None,
        *,
        user_id: object = None,
        agent_id: object = None,
        app_id: object = None,
        run_id: object = None,
        filters: Mapping[str, Any] | None = None,
        top_k: int | None = None,
        limit: int | None = None,
        version: str | None = None,
        **further: Any,
    ) -> HostedList:
        """Find the memories that answer a question, best first.

        Args:
            query: The question; blank finds nothing.
            options: More of these arguments, together.
            user_id: Only memories with this id.
            agent_id: The same for the agent.
            app_id: The same for the application.
            run_id: The same for the run.
            filters: Further conditions, in the service's filter language; the ids may stand here too.
            top_k: How many at most.  Default: what the service finds right.
            limit: Another name of ``top_k``.
            version: Another ``api_version``, for this call.
            further: What else the service takes: ``threshold``, ``rerank``, ``fields``, ``categories``, ...

        Raises:
            ValidationError: An argument cannot be accepted; nothing was sent.
            APIError: The service refused, failed, or was not reached.
        """
        ids = ids_of(user_id, agent_id, app_id, run_id)
        how = {"filters": filters, "top_k": top_k, "limit": limit, "version": version, **further}
        given = merged(options, {"query": query, **ids, **how})
        answer: HostedList = self._run(self._ask(self._api.search(given)))
        return answer

    def get_all(
        self,
        options: Any = None,
        *,
        user_id: object = None,
        agent_id: object = None,
        app_id: object = None,
        run_id: object = None,
        filters: Mapping[str, Any] | None = None,
        page: int | None = None,
        page_size: int | None = None,
        version: str | None = None,
        **further: Any,
    ) -> HostedList:
        """List memories: one page of them; :meth:`iterate` gives all.

        Args:
            options: More of these arguments, together.
            user_id: Only memories with this id.
            agent_id: The same for the agent.
            app_id: The same for the application.
            run_id: The same for the run.
            filters: Further conditions, in the service's filter language; the ids may stand here too.
            page: Which page, from 1.
            page_size: How many on a page.
            version: Another ``api_version``, for this call.
            further: What else the service takes: ``categories``, ``keywords``, ``fields``, ...

        Returns:
            The memories; ``.total`` says how many there are, ``["next"]`` whether a page follows.

        Raises:
            ValidationError: An argument cannot be accepted; nothing was sent.
            APIError: The service refused, failed, or was not reached.
        """
        ids = ids_of(user_id, agent_id, app_id, run_id)
        how = {"filters": filters, "page": page, "page_size": page_size, "version": version, **further}
        answer: HostedList = self._run(self._ask(self._api.get_all(merged(options, {**ids, **how}))))
        return answer

    def get(self, memory_id: object) -> dict[str, Any]:
        """Return one memory.

        Raises:
            APIError: ``status`` 404: there is none with this id.
        """
        answer: dict[str, Any] = self._run(self._ask(self._api.get(memory_id)))
        return answer

    def update(
        self,
        memory_id: object,
        text: Any = None,
        metadata: Mapping[str, Any] | None = None,
        timestamp: Any = None,
        *,
        data: str | None = None,
        options: Any = None,
        **further: Any,
    ) -> Any:
        """Change one memory.

        Args:
            memory_id: Which one.
            text: What it shall say; or ``options``, which may stand here too.
            metadata: Its new metadata.
            timestamp: When it was said: a ``datetime``, or Unix seconds.
            data: Another name of ``text``.
            options: More of these arguments, together.
            further: What else the service takes: ``expiration_date``, which ``None`` clears, ...

        Raises:
            ValidationError: Nothing to change was given, or an argument cannot be accepted; nothing was sent.
            APIError: The service refused, failed, or was not reached.
        """
        given = {"data": data, "metadata": metadata, "timestamp": timestamp, **further}
        return self._run(self._ask(self._api.update(memory_id, amended(text, options, given))))

    def delete(self, memory_id: object, delete_linked: bool = False, **further: Any) -> dict[str, Any]:
        """Delete one memory.

        Args:
            memory_id: Which one.
            delete_linked: Whether to delete the older memories too that it took the place of.
            further: What else the service takes.

        Returns:
            What the service answered, or ``{"message"}``.

        Raises:
            APIError: ``status`` 404: there is none with this id.  Where an earlier attempt may have deleted it, whose
                answer was lost, a 404 is no error.
        """
        how = {"delete_linked": delete_linked or None, **further}
        answer: dict[str, Any] = self._run(self._ask(self._api.delete(memory_id, how)))
        return answer

    def delete_all(
        self,
        options: Any = None,
        *,
        user_id: object = None,
        agent_id: object = None,
        app_id: object = None,
        run_id: object = None,
        filters: Mapping[str, object] | None = None,
        **further: Any,
    ) -> dict[str, Any]:
        """Delete all memories of a scope.

        Args:
            options: More of these arguments, together.
            user_id: Only memories with this id.
            agent_id: The same for the agent.
            app_id: The same for the application.
            run_id: The same for the run.
            filters: The ids again, where they are given so; nothing else can stand here.
            further: ``metadata``, which they must have too; nothing else narrows a deletion.

        Raises:
            ValidationError: No id was given, or something that narrows no deletion; nothing was sent.
            APIError: The service refused, failed, or was not reached.
        """
        given = {**ids_of(user_id, agent_id, app_id, run_id), "filters": filters, **further}
        answer: dict[str, Any] = self._run(self._ask(self._api.delete_all(merged(options, given))))
        return answer

    def history(self, memory_id: object) -> HostedList:
        """Return what happened to one memory, in order."""
        answer: HostedList = self._run(self._ask(self._api.history(memory_id)))
        return answer

    def users(self, page: int | None = None, page_size: int | None = None) -> HostedList:
        """List the users, agents, apps and runs that have memories: one page of them.

        Args:
            page: Which page, from 1.
            page_size: How many on a page.

        Returns:
            Rows with ``type`` and ``name``; ``.total`` says how many there are, ``["next"]`` whether a page follows.
        """
        answer: HostedList = self._run(self._ask(self._api.users(page, page_size)))
        return answer

    def delete_users(
        self,
        user_id: object = NOT_GIVEN,
        agent_id: object = NOT_GIVEN,
        app_id: object = NOT_GIVEN,
        run_id: object = NOT_GIVEN,
    ) -> dict[str, Any]:
        """Delete the users, agents, apps or runs that are named, with their memories; all of them if none is.

        Returns:
            ``{"message", "deleted"}``.

        Raises:
            ValidationError: An id was given, and is ``None``: that is no order to delete everybody.
            APIError: One could not be deleted, or is still listed; the message says how many were deleted before.
        """
        answer: dict[str, Any] = self._run(self._forget(ids_of(user_id, agent_id, app_id, run_id)))
        return answer

    def reset(self) -> dict[str, Any]:
        """Delete all users, agents, apps and runs of the project, with their memories.

        Returns:
            ``{"message", "deleted"}``.

        Raises:
            APIError: One could not be deleted, or is still listed; the message says how many were deleted before.
        """
        answer: dict[str, Any] = self._run(self._forget({}))
        return answer

    def batch_update(self, memories: list[dict[str, Any]]) -> dict[str, Any]:
        """Change several memories.

        Args:
            memories: ``[{"memory_id", "text", "metadata"}, ...]``, each with a text or metadata; ``data`` and
                ``timestamp`` are as in :meth:`update`.
        """
        answer: dict[str, Any] = self._run(self._ask(self._api.batch_update(memories)))
        return answer

    def batch_delete(self, memories: list[dict[str, Any]] | list[str]) -> dict[str, Any]:
        """Delete several memories.

        Args:
            memories: Their ids, or ``[{"memory_id"}, ...]``.

        Raises:
            APIError: The service refused, failed, or was not reached; some may have been deleted all the same.
        """
        answer: dict[str, Any] = self._run(self._ask(self._api.batch_delete(memories)))
        return answer

    def ping(self) -> dict[str, Any]:
        """Ask whether the key is good; return whose it is."""
        answer: dict[str, Any] = self._run(self._ask(self._api.ping()))
        return answer

    def iterate(
        self,
        options: Any = None,
        *,
        user_id: object = None,
        agent_id: object = None,
        app_id: object = None,
        run_id: object = None,
        filters: Mapping[str, Any] | None = None,
        page_size: int | None = None,
        version: str | None = None,
        **further: Any,
    ) -> Iterator[dict[str, Any]]:
        """Yield every memory, page by page; the arguments are those of :meth:`get_all`.

        What is written meanwhile moves the pages: a memory may then be missed, or come twice.
        """
        ids = ids_of(user_id, agent_id, app_id, run_id)
        how = {"filters": filters, "page_size": page_size, "version": version, **further}
        return self._pages(self._api.every(merged(options, {**ids, **how})))

    def close(self) -> None:
        """Release the connections; a client of the caller's own stays open.  A later use raises."""
        self._is_closed = True
        if self._is_ours:
            self.client.close()

    def __enter__(self) -> MemoryClient:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _validate(self) -> None:
        try:
            self.ping()
        except BaseException:
            self.close()
            raise

    def _pages(self, request: Request | None) -> Iterator[dict[str, Any]]:
        while request is not None:
            page: HostedList = self._run(self._ask(request))
            yield from page
            request = following(request, page.envelope)

    def _run(self, call: Call) -> Any:
        reply: Reply | None = None
        while True:
            try:
                wanted = call.send(reply)
            except StopIteration as done:
                return done.value
            if isinstance(wanted, Pause):
                reply = None
                time.sleep(wanted.seconds)
            else:
                reply = self._send(wanted)

    def _send(self, request: Request) -> Reply:
        sent = self._sent(request)
        try:
            # Not followed: on the way an add would become a GET, and a list of memories look like its success.
            return answered(self.client.send(sent, follow_redirects=False))
        except httpx.RequestError as error:
            return unanswered(error)


class AsyncMemoryClient(Hosted[httpx.AsyncClient]):
    """:class:`MemoryClient` for asyncio: the same arguments and verbs, to be awaited.

    ``client`` is an ``httpx.AsyncClient``.  With ``validate`` the key is checked on entering ``async with``, or before
    the first verb: nothing can be awaited while an object is made.  One client belongs to one event loop.
    """

    _http = httpx.AsyncClient
    _is_unproven = False
    _loop: asyncio.AbstractEventLoop | None = None  # where the connections were opened

    async def add(
        self,
        messages: Any = None,
        options: Any = None,
        *,
        data: Any = None,
        user_id: object = None,
        agent_id: object = None,
        app_id: object = None,
        run_id: object = None,
        metadata: Mapping[str, Any] | None = None,
        **further: Any,
    ) -> Any:
        """See :meth:`MemoryClient.add`."""
        ids = ids_of(user_id, agent_id, app_id, run_id)
        given = {"messages": messages, "data": data, **ids, "metadata": metadata, **further}
        return await self._run(self._ask(self._api.add(merged(options, given))))

    async def search(
        self,
        query: str,
        options: Any = None,
        *,
        user_id: object = None,
        agent_id: object = None,
        app_id: object = None,
        run_id: object = None,
        filters: Mapping[str, Any] | None = None,
        top_k: int | None = None,
        limit: int | None = None,
        version: str | None = None,
        **further: Any,
    ) -> HostedList:
        """See :meth:`MemoryClient.search`."""
        ids = ids_of(user_id, agent_id, app_id, run_id)
        how = {"filters": filters, "top_k": top_k, "limit": limit, "version": version, **further}
        given = merged(options, {"query": query, **ids, **how})
        answer: HostedList = await self._run(self._ask(self._api.search(given)))
        return answer

    async def get_all(
        self,
        options: Any = None,
        *,
        user_id: object = None,
        agent_id: object = None,
        app_id: object = None,
        run_id: object = None,
        filters: Mapping[str, Any] | None = None,
        page: int | None = None,
        page_size: int | None = None,
        version: str | None = None,
        **further: Any,
    ) -> HostedList:
        """See :meth:`MemoryClient.get_all`."""
        ids = ids_of(user_id, agent_id, app_id, run_id)
        how = {"filters": filters, "page": page, "page_size": page_size, "version": version, **further}
        answer: HostedList = await self._run(self._ask(self._api.get_all(merged(options, {**ids, **how}))))
        return answer

    async def get(self, memory_id: object) -> dict[str, Any]:
        """See :meth:`MemoryClient.get`."""
        answer: dict[str, Any] = await self._run(self._ask(self._api.get(memory_id)))
        return answer

    async def update(
        self,
        memory_id: object,
        text: Any = None,
        metadata: Mapping[str, Any] | None = None,
        timestamp: Any = None,
        *,
        data: str | None = None,
        options: Any = None,
        **further: Any,
    ) -> Any:
        """See :meth:`MemoryClient.update`."""
        given = {"data": data, "metadata": metadata, "timestamp": timestamp, **further}
        return await self._run(self._ask(self._api.update(memory_id, amended(text, options, given))))

    async def delete(self, memory_id: object, delete_linked: bool = False, **further: Any) -> dict[str, Any]:
        """See :meth:`MemoryClient.delete`."""
        how = {"delete_linked": delete_linked or None, **further}
        answer: dict[str, Any] = await self._run(self._ask(self._api.delete(memory_id, how)))
        return answer

    async def delete_all(
        self,
        options: Any = None,
        *,
        user_id: object = None,
        agent_id: object = None,
        app_id: object = None,
        run_id: object = None,
        filters: Mapping[str, object] | None = None,
        **further: Any,
    ) -> dict[str, Any]:
        """See :meth:`MemoryClient.delete_all`."""
        given = {**ids_of(user_id, agent_id, app_id, run_id), "filters": filters, **further}
        answer: dict[str, Any] = await self._run(self._ask(self._api.delete_all(merged(options, given))))
        return answer

    async def history(self, memory_id: object) -> HostedList:
        """See :meth:`MemoryClient.history`."""
        answer: HostedList = await self._run(self._ask(self._api.history(memory_id)))
        return answer

    async def users(self, page: int | None = None, page_size: int | None = None) -> HostedList:
        """See :meth:`MemoryClient.users`."""
        answer: HostedList = await self._run(self._ask(self._api.users(page, page_size)))
        return answer

    async def delete_users(
        self,
        user_id: object = NOT_GIVEN,
        agent_id: object = NOT_GIVEN,
        app_id: object = NOT_GIVEN,
        run_id: object = NOT_GIVEN,
    ) -> dict[str, Any]:
        """See :meth:`MemoryClient.delete_users`."""
        answer: dict[str, Any] = await self._run(self._forget(ids_of(user_id, agent_id, app_id, run_id)))
        return answer

    async def reset(self) -> dict[str, Any]:
        """See :meth:`MemoryClient.reset`."""
        answer: dict[str, Any] = await self._run(self._forget({}))
        return answer

    async def batch_update(self, memories: list[dict[str, Any]]) -> dict[str, Any]:
        """See :meth:`MemoryClient.batch_update`."""
        answer: dict[str, Any] = await self._run(self._ask(self._api.batch_update(memories)))
        return answer

    async def batch_delete(self, memories: list[dict[str, Any]] | list[str]) -> dict[str, Any]:
        """See :meth:`MemoryClient.batch_delete`."""
        answer: dict[str, Any] = await self._run(self._ask(self._api.batch_delete(memories)))
        return answer

    async def ping(self) -> dict[str, Any]:
        """See :meth:`MemoryClient.ping`."""
        answer: dict[str, Any] = await self._run(self._ask(self._api.ping()))
        return answer

    def iterate(
        self,
        options: Any = None,
        *,
        user_id: object = None,
        agent_id: object = None,
        app_id: object = None,
        run_id: object = None,
        filters: Mapping[str, Any] | None = None,
        page_size: int | None = None,
        version: str | None = None,
        **further: Any,
    ) -> AsyncIterator[dict[str, Any]]:
        """See :meth:`MemoryClient.iterate`; to be used with ``async for``."""
        ids = ids_of(user_id, agent_id, app_id, run_id)
        how = {"filters": filters, "page_size": page_size, "version": version, **further}
        return self._pages(self._api.every(merged(options, {**ids, **how})))

    async def close(self) -> None:
        """See :meth:`MemoryClient.close`."""
        self._is_closed = True
        if self._is_ours:
            await self.client.aclose()

    async def __aenter__(self) -> AsyncMemoryClient:
        if self._is_unproven:
            try:
                await self._prove()
            except BaseException:
                await self.close()
                raise
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.close()

    def _validate(self) -> None:
        self._is_unproven = True

    async def _pages(self, request: Request | None) -> AsyncIterator[dict[str, Any]]:
        while request is not None:
            page: HostedList = await self._run(self._ask(request))
            for row in page:
                yield row
            request = following(request, page.envelope)

    async def _run(self, call: Call) -> Any:
        if self._is_unproven:
            await self._prove()
        return await self._drive(call)

    async def _prove(self) -> None:
        await self._drive(self._ask(self._api.ping()))
        self._is_unproven = False

    async def _drive(self, call: Call) -> Any:
        reply: Reply | None = None
        while True:
            try:
                wanted = call.send(reply)
            except StopIteration as done:
                return done.value
            if isinstance(wanted, Pause):
                reply = None
                await asyncio.sleep(wanted.seconds)
            else:
                reply = await self._send(wanted)

    async def _send(self, request: Request) -> Reply:
        sent = self._sent(request)
        loop = asyncio.get_running_loop()
        self._loop = self._loop or loop
        if self._is_ours and loop is not self._loop:
            raise ClosedError(
                f"the client for {self.host} has its connections in another event loop; make one for each"
            )
        try:
            return answered(await self.client.send(sent, follow_redirects=False))
        except httpx.RequestError as error:
            return unanswered(error)
