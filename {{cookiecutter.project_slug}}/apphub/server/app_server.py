"""uvicorn's server as a script's process runs it: it reports to the supervisor, and ends itself."""

from __future__ import annotations

import asyncio
import os
import time
from typing import TYPE_CHECKING, Any

import uvicorn

from apphub.server.app_messages import ALIVE, IDLE, READY
from apphub.server.garbage_collection import freeze_long_lived_objects
from apphub.server.worker import uvicorn_options, wait_for_scripts

if TYPE_CHECKING:
    import socket
    from collections.abc import Awaitable, Callable

INTERVAL = 1  # seconds
LAST_REQUESTS = 0.5  # seconds: the request of a connection accepted just before the end is answered


class ActivityMiddleware:
    """An ASGI application around another one: it knows for how long nobody has needed it."""

    def __init__(self, application: Callable[..., Awaitable[None]]) -> None:
        """Wrap an application."""
        self._application = application
        self._open = 0  # requests and WebSockets
        self._last = time.monotonic()

    @property
    def idle_seconds(self) -> float:
        """For how many seconds there has been no request, and no WebSocket."""
        return 0 if self._open else time.monotonic() - self._last

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Pass everything on."""
        if scope["type"] == "lifespan":
            await self._application(scope, receive, send)
            return
        self._open += 1
        try:
            await self._application(scope, receive, send)
        finally:
            self._open -= 1
            self._last = time.monotonic()


class AppServer(uvicorn.Server):
    """A server that writes to a pipe: READY once, ALIVE each second, IDLE before it ends itself."""

    def __init__(
        self, application: Callable[..., Awaitable[None]], pipe: int, minutes: float
    ) -> None:
        """Prepare it. Streamlit's configuration and the logging have been set up.

        Args:
            application: Streamlit's.
            pipe: the file descriptor to write to.
            minutes: after how many minutes without visitors it ends itself; 0 for never.
        """
        self._activity = ActivityMiddleware(application)
        self._pipe = pipe
        self._max_idle_seconds = minutes * 60
        self._tasks: list[asyncio.Task[None]] = []
        os.set_blocking(pipe, False)
        super().__init__(uvicorn.Config(self._activity, log_config=None, **uvicorn_options()))

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start Streamlit, and report that the socket is served."""
        await super().startup(sockets)
        if not self.should_exit:
            os.write(self._pipe, READY)
            tasks = freeze_long_lived_objects(), self._report()
            self._tasks = [asyncio.create_task(task) for task in tasks]

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close everything, as uvicorn does, and wait for running scripts."""
        await super().shutdown(sockets)
        await asyncio.to_thread(wait_for_scripts)

    async def _report(self) -> None:
        while True:
            await asyncio.sleep(INTERVAL)
            try:
                os.write(self._pipe, ALIVE)
            except BlockingIOError:
                pass  # the supervisor is stopped
            except BrokenPipeError:
                self.should_exit = True  # it has gone
            if 0 < self._max_idle_seconds < self._activity.idle_seconds and not self.should_exit:
                await self._leave()

    async def _leave(self) -> None:
        # Those who connect from here on wait in the supervisor's socket for the next process.
        for server in self.servers:
            server.close()
        await asyncio.sleep(LAST_REQUESTS)
        os.write(self._pipe, IDLE)
        self.should_exit = True
