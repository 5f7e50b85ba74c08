"""HTTP and WebSocket clients that act like a browser. Each function measures one figure.

compare.py runs this file in its own process, with a Python that has only Streamlit (for its
protobuf): `python clients.py FUNCTION JSON`. The result is JSON on stdout.
"""

from __future__ import annotations

import asyncio
import json
import re
import selectors
import socket
import sys
import time
from random import Random
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import ClientConnection, connect

if TYPE_CHECKING:
    from collections.abc import Iterator

Headers = dict[str, str]

# -- HTTP -----------------------------------------------------------------------------------------


def connection_to(url: str) -> socket.socket:
    address = urlsplit(url)
    connection = socket.create_connection((address.hostname, address.port), 60)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def request_for(url: str, headers: Headers) -> bytes:
    address = urlsplit(url)
    lines = [f"GET {address.path or '/'} HTTP/1.1", f"Host: {address.netloc}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode()


def response_size(connection: socket.socket, request: bytes) -> int:
    """Send one request, and return the response's size. It has to be 200 with a Content-Length."""
    connection.sendall(request)
    received = b""
    while b"\r\n\r\n" not in received:
        received += connection.recv(65536)
    head = received.partition(b"\r\n\r\n")[0].decode("latin-1")
    if " 200 " not in head.splitlines()[0]:
        raise RuntimeError(head)
    fields = dict(line.lower().split(": ", 1) for line in head.splitlines()[1:])
    size = len(head) + 4 + int(fields["content-length"])
    while len(received) < size:
        received += connection.recv(65536)
    return size


def kept_alive(url: str, headers: Headers, requests: int) -> dict:
    """Send requests on one connection; return the seconds that each response took."""
    request = request_for(url, headers)
    connection = connection_to(url)
    size = response_size(connection, request)
    times = []
    for _ in range(requests):
        begun = time.perf_counter()
        connection.sendall(request)
        received = 0
        while received < size:
            chunk = connection.recv(65536)
            if not chunk:
                raise RuntimeError("the connection has been closed")
            received += len(chunk)
        times.append(time.perf_counter() - begun)
    return {"seconds": times}


def throughput(url: str, headers: Headers, connections: int, seconds: float) -> dict:
    """Send requests on many connections at once; return responses/s."""
    request = request_for(url, headers)
    first = connection_to(url)
    size = response_size(first, request)
    first.close()
    selector = selectors.DefaultSelector()
    received: dict[socket.socket, int] = {}

    def begin() -> None:
        connection = connection_to(url)
        connection.sendall(request)
        received[connection] = 0
        selector.register(connection, selectors.EVENT_READ)

    for _ in range(connections):
        begin()
    responses = 0
    begun = time.perf_counter()
    while (elapsed := time.perf_counter() - begun) < seconds:
        for key, _ in selector.select(1):
            connection = key.fileobj
            chunk = connection.recv(1 << 18)
            received[connection] += len(chunk)
            if not chunk:  # the server has closed it; nginx does after 1,000 requests
                selector.unregister(connection)
                del received[connection]
                begin()
            elif received[connection] >= size:
                responses += 1
                received[connection] = 0
                connection.sendall(request)
    return {"responses per second": responses / elapsed}


def upload(url: str, headers: Headers, page: str, megabytes: int) -> dict:
    """Upload a file into the page's file uploader, and wait until the app has counted its bytes."""
    return asyncio.run(_upload(url, headers, page, megabytes))


async def _upload(url: str, headers: Headers, page: str, megabytes: int) -> dict:
    address = urlsplit(url)
    session = await Session.open(url, headers)
    await session.run(page=page)
    widget = next(e.file_uploader for e in session.elements if e.HasField("file_uploader"))
    message = BackMsg()
    message.file_urls_request.request_id = "1"
    message.file_urls_request.file_names.append("large.bin")
    message.file_urls_request.session_id = session.session_id
    await session.websocket.send(message.SerializeToString())
    response = await session.receive("file_urls_response")
    place = response.file_urls_response.file_urls[0]

    boundary = "-----------------------------1234567890"
    before = (
        f"--{boundary}\r\n"
        'Content-Disposition: form-data; name="large.bin"; filename="large.bin"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    ).encode()
    after = f"\r\n--{boundary}--\r\n".encode()
    chunk = bytes(range(256)) * 4096  # 1 MiB
    length = len(before) + megabytes * len(chunk) + len(after)
    sent = {"Host": address.netloc, **headers, "Content-Length": str(length)}
    sent["Content-Type"] = f"multipart/form-data; boundary={boundary}"
    # As a browser does: the same token in a cookie and in a header.
    sent["Cookie"] = "; ".join(filter(None, [sent.get("Cookie"), session.xsrf]))
    sent["X-Xsrftoken"] = session.xsrf.partition("=")[2]
    begun = time.perf_counter()
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    lines = [f"PUT {urlsplit(place.upload_url).path} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in sent.items()]
    writer.write("\r\n".join([*lines, "", ""]).encode() + before)
    for _ in range(megabytes):
        writer.write(chunk)
        await writer.drain()
    writer.write(after)
    status = (await reader.readline()).decode()
    if " 204 " not in status:
        raise RuntimeError(status + (await reader.read(2000)).decode())
    elapsed = time.perf_counter() - begun
    writer.close()

    state = BackMsg()
    value = state.rerun_script.widget_states.widgets.add(id=widget.id)
    info = value.file_uploader_state_value.uploaded_file_info.add()
    info.file_id, info.name, info.size = place.file_id, "large.bin", megabytes * len(chunk)
    info.file_urls.CopyFrom(place)
    await session.run(state, page)
    if f"{megabytes * len(chunk)} bytes" not in session.text:
        raise RuntimeError(f"the app did not get the file: {session.text!r}")
    await session.websocket.close()
    return {"seconds": elapsed}


# -- WebSocket ------------------------------------------------------------------------------------


class Session:
    """A page that is open in a browser, as far as the server sees it."""

    def __init__(self, websocket: ClientConnection, xsrf: str) -> None:
        self.websocket = websocket
        self.xsrf = xsrf
        self.session_id = ""
        self.elements: list = []  # of the last run: Element messages

    @classmethod
    async def open(cls, url: str, headers: Headers, cookies: str = "", base: str = "") -> Session:
        """Connect to the hub, or to the script whose path is `base`, such as "/forecast"."""
        address = urlsplit(url)
        xsrf = cookies or await asyncio.to_thread(xsrf_cookie, url, headers, base)
        given = {**headers, "Cookie": "; ".join(filter(None, [headers.get("Cookie"), xsrf]))}
        websocket = await connect(
            f"ws://{address.netloc}{base}/_stcore/stream",
            additional_headers=given,
            origin=f"http://{address.netloc}",
            subprotocols=["streamlit", xsrf.partition("=")[2] or "x"],
            compression=None,
            ping_interval=None,
            proxy=None,
            max_size=None,
            open_timeout=60,
        )
        return cls(websocket, xsrf)

    async def receive(self, kind: str) -> ForwardMsg:
        """Return the next message of this kind; keep the elements of all messages before it."""
        while True:
            message = ForwardMsg.FromString(await asyncio.wait_for(self.websocket.recv(), 60))
            if message.HasField("delta") and message.delta.HasField("new_element"):
                self.elements.append(message.delta.new_element)
            if message.HasField("new_session"):
                self.session_id = message.new_session.initialize.session_id
            if message.WhichOneof("type") == kind:
                return message

    async def run(self, request: BackMsg | None = None, page: str = "") -> float:
        """Run the script as a click does; return the seconds until it has finished."""
        request = request or BackMsg()
        request.rerun_script.page_name = page
        self.elements = []
        begun = time.perf_counter()
        await self.websocket.send(request.SerializeToString())
        while True:
            message = await self.receive("script_finished")
            if message.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY:
                break
        elapsed = time.perf_counter() - begun
        if failed := [e.exception for e in self.elements if e.HasField("exception")]:
            raise RuntimeError(failed[0].message)
        return elapsed

    @property
    def text(self) -> str:
        """Return the Markdown of the last run."""
        return "\n".join(e.markdown.body for e in self.elements if e.HasField("markdown"))


def xsrf_cookie(url: str, headers: Headers, base: str = "") -> str:
    """Return the XSRF cookie that Streamlit sets with its health check."""
    connection = connection_to(url)
    health = "{0.scheme}://{0.netloc}{1}/_stcore/health".format(urlsplit(url), base)
    connection.sendall(request_for(health, {**headers, "Connection": "close"}))
    received = b""
    while chunk := connection.recv(65536):
        received += chunk
    for line in received.decode("latin-1").splitlines():
        if line.lower().startswith("set-cookie: _streamlit_xsrf="):
            return line.partition(": ")[2].partition(";")[0]
    return ""


def rerun(url: str, headers: Headers, page: str, runs: int, base: str = "") -> dict:
    """Open a page and move its slider; return the seconds of each rerun."""
    return asyncio.run(_rerun(url, headers, page, runs, base))


async def _rerun(url: str, headers: Headers, page: str, runs: int, base: str) -> dict:
    session = await Session.open(url, headers, base=base)
    await session.run(page=page)
    slider = next(e.slider for e in session.elements if e.HasField("slider"))
    times = []
    for number in range(runs + 3):
        request = BackMsg()
        value = request.rerun_script.widget_states.widgets.add(id=slider.id)
        level = 4 + number % 6
        value.double_array_value.data.append(level)
        times.append(await session.run(request, page))
        if not re.search(rf"^The (slider at|last) {level}\b", session.text, re.MULTILINE):
            raise RuntimeError(f"the app shows another value: {session.text!r}")
    return {"seconds": times[3:]}


def open_page(url: str, headers: Headers, page: str, visits: int) -> dict:
    """Open a page in new browsers, one after the other; return the seconds of each."""
    return asyncio.run(_open_page(url, headers, page, visits))


async def _open_page(url: str, headers: Headers, page: str, visits: int) -> dict:
    times = []
    for _ in range(visits):
        begun = time.perf_counter()
        connection = connection_to(url)
        response_size(connection, request_for(url, headers))
        connection.close()
        session = await Session.open(url, headers)
        await session.run(page=page)
        times.append(time.perf_counter() - begun)
        await session.websocket.close()
    return {"seconds": times}


def reconnect(url: str, headers: Headers, page: str, sessions: int) -> dict:
    """Open many pages at the same moment; return the seconds until each has run."""
    return asyncio.run(_reconnect(url, headers, page, sessions))


async def _reconnect(url: str, headers: Headers, page: str, sessions: int) -> dict:
    base = "{0.scheme}://{0.netloc}".format(urlsplit(url))

    async def one() -> float:
        begun = time.perf_counter()
        # An open page requests these two, then connects.
        for path in ("/_stcore/health", "/_stcore/host-config"):
            await get_once(base + path, headers)
        session = await Session.open(url, headers, "_streamlit_xsrf=x")
        await session.run(page=page)
        kept.append(session)
        return time.perf_counter() - begun

    kept: list[Session] = []
    results = await asyncio.gather(*(one() for _ in range(sessions)), return_exceptions=True)
    refused = [repr(result) for result in results if isinstance(result, BaseException)]
    times = [result for result in results if isinstance(result, float)]
    return {"seconds": times, "refused": refused}


async def get_once(url: str, headers: Headers) -> None:
    """Send one request on a new connection. The response has to be 200."""
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    writer.write(request_for(url, {**headers, "Connection": "close"}))
    response = await reader.read()
    writer.close()
    if b" 200 " not in response[:20]:
        raise RuntimeError(response[:200].decode("latin-1"))


def browsers(headers: Headers, processes: int, count: int) -> Iterator[Headers]:
    """Yield the headers of each browser. The browsers use each worker in turn."""
    for number in range(count):
        process = f"__Host-process={number % processes + 1}" if processes > 1 else ""
        cookies = "; ".join(filter(None, [headers.get("Cookie"), process]))
        yield {**headers, "Cookie": cookies} if cookies else headers


def idle(
    url: str, headers: Headers, page: str, sessions: int, seconds: float, processes: int = 1
) -> dict:
    """Keep many pages open; print "open", wait, and return how many are lost at the end."""
    return asyncio.run(_idle(url, headers, page, sessions, seconds, processes))


async def _idle(
    url: str, headers: Headers, page: str, sessions: int, seconds: float, processes: int
) -> dict:
    opened = []
    for given in browsers(headers, processes, sessions):
        session = await Session.open(url, given, "_streamlit_xsrf=x")
        await session.run(page=page)
        opened.append(session)
    print("open", flush=True)
    await asyncio.sleep(seconds)
    lost = 0
    for session in opened:
        try:
            await session.run(page=page)
        except Exception:  # noqa: BLE001, however it was lost
            lost += 1
    return {"lost": lost}


def hold(url: str, headers: Headers, base: str) -> dict:
    """Open a script and run it; print "open" once it has been asked to, and stay until killed."""
    return asyncio.run(_hold(url, headers, base))


async def _hold(url: str, headers: Headers, base: str) -> dict:
    session = await Session.open(url, headers, base=base)
    request = BackMsg()
    request.rerun_script.page_name = ""
    await session.websocket.send(request.SerializeToString())
    await session.receive("new_session")
    print("open", flush=True)
    await asyncio.Event().wait()
    return {}


def busy(
    url: str, headers: Headers, page: str, sessions: int, seconds: float, processes: int = 1
) -> dict:
    """Rerun many pages without pause; return reruns/s."""
    return asyncio.run(_busy(url, headers, page, sessions, seconds, processes))


async def _busy(
    url: str, headers: Headers, page: str, sessions: int, seconds: float, processes: int
) -> dict:
    async def one(given: Headers) -> int:
        session = await Session.open(url, given, "_streamlit_xsrf=x")
        await session.run(page=page)
        opened.append(session)
        while len(opened) < sessions:
            await asyncio.sleep(0.01)
        runs, end = 0, time.perf_counter() + seconds
        while time.perf_counter() < end:
            await session.run(page=page)
            runs += 1
        return runs

    opened: list[Session] = []
    runs = await asyncio.gather(*map(one, browsers(headers, processes, sessions)))
    return {"reruns per second": sum(runs) / seconds}


def visitors(
    url: str, headers: Headers, pages: list[str], processes: int, concurrent: int, seconds: float
) -> dict:
    """Open pages, click, upload files and leave; return the number of visits and of failures.

    Half of the visits end with an abrupt disconnect, like a laptop that is closed.
    """
    return asyncio.run(_visitors(url, headers, pages, processes, concurrent, seconds))


async def _visitors(
    url: str, headers: Headers, pages: list[str], processes: int, concurrent: int, seconds: float
) -> dict:
    random = Random(1)  # noqa: S311
    counted = {"visits": 0, "runs": 0, "uploads": 0, "failures": 0}
    end = time.monotonic() + seconds

    async def visit() -> None:
        *_, given = browsers(headers, processes, random.randint(1, processes))
        session = await Session.open(url, given)
        for _ in range(random.randint(1, 8)):
            await session.run(page=random.choice(pages))
            counted["runs"] += 1
            await asyncio.sleep(random.expovariate(1))
        if random.random() < 0.5:
            session.websocket.transport.abort()
        else:
            await session.websocket.close()
        if random.random() < 0.2:
            await _upload(url, given, "uploads", random.randint(1, 5))
            counted["uploads"] += 1

    async def visit_repeatedly() -> None:
        while time.monotonic() < end:
            try:
                await visit()
            except Exception as error:  # noqa: BLE001, whatever made the visit fail
                print(repr(error), file=sys.stderr)
                counted["failures"] += 1
            counted["visits"] += 1

    await asyncio.gather(*(visit_repeatedly() for _ in range(concurrent)))
    return counted


if __name__ == "__main__":
    print(json.dumps(globals()[sys.argv[1]](**json.loads(sys.argv[2]))))
