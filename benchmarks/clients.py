"""What asks: HTTP and WebSocket clients that speak as a browser does, one figure a call.

compare.py runs this file in a process of its own, with a Python that has Streamlit (for its
protobuf) and nothing else: `python clients.py FUNCTION JSON`. The answer is JSON on stdout.
"""

from __future__ import annotations

import asyncio
import json
import re
import selectors
import socket
import sys
import time
from collections.abc import Iterator
from random import Random
from urllib.parse import urlsplit

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import ClientConnection, connect

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


def size_of_answer(connection: socket.socket, request: bytes) -> int:
    """Ask once, and return how many bytes come back. The answer has to be 200 and say its length."""
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
    """Ask again and again on one connection; return the seconds that each answer took."""
    request = request_for(url, headers)
    connection = connection_to(url)
    size = size_of_answer(connection, request)
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
    """Ask on many connections at once, each as soon as it has its answer; return answers/s."""
    request = request_for(url, headers)
    first = connection_to(url)
    size = size_of_answer(first, request)
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
    answers = 0
    begun = time.perf_counter()
    while (taken := time.perf_counter() - begun) < seconds:
        for key, _ in selector.select(1):
            connection = key.fileobj
            chunk = connection.recv(1 << 18)
            received[connection] += len(chunk)
            if not chunk:  # the server has closed it; nginx does after 1,000 requests
                selector.unregister(connection)
                del received[connection]
                begin()
            elif received[connection] >= size:
                answers += 1
                received[connection] = 0
                connection.sendall(request)
    return {"answers per second": answers / taken}


def upload(url: str, headers: Headers, page: str, megabytes: int) -> dict:
    """Upload a file into the page's file uploader, and wait until the app has counted its bytes."""
    return asyncio.run(_upload(url, headers, page, megabytes))


async def _upload(url: str, headers: Headers, page: str, megabytes: int) -> dict:
    address = urlsplit(url)
    session = await Session.open(url, headers)
    await session.run(page=page)
    widget = next(e.file_uploader for e in session.elements if e.HasField("file_uploader"))
    ask = BackMsg()
    ask.file_urls_request.request_id = "1"
    ask.file_urls_request.file_names.append("large.bin")
    ask.file_urls_request.session_id = session.number
    await session.websocket.send(ask.SerializeToString())
    answer = await session.receive("file_urls_response")
    place = answer.file_urls_response.file_urls[0]

    boundary = "-----------------------------1234567890"
    before = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="large.bin"; filename="large.bin"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    ).encode()
    after = f"\r\n--{boundary}--\r\n".encode()
    chunk = bytes(range(256)) * 4096  # 1 MiB
    length = len(before) + megabytes * len(chunk) + len(after)
    sent = {"Host": address.netloc, **headers, "Content-Length": str(length)}
    sent["Content-Type"] = f"multipart/form-data; boundary={boundary}"
    # As a browser does: a token that stands in a cookie and in a header.
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
    taken = time.perf_counter() - begun
    writer.close()

    state = BackMsg()
    value = state.rerun_script.widget_states.widgets.add(id=widget.id)
    info = value.file_uploader_state_value.uploaded_file_info.add()
    info.file_id, info.name, info.size = place.file_id, "large.bin", megabytes * len(chunk)
    info.file_urls.CopyFrom(place)
    await session.run(state, page)
    if f"{megabytes * len(chunk)} bytes" not in session.text:
        raise RuntimeError(f"the file has not arrived: {session.text!r}")
    await session.websocket.close()
    return {"seconds": taken}


# -- WebSocket ------------------------------------------------------------------------------------


class Session:
    """A page that is open in a browser, as far as the server sees it."""

    def __init__(self, websocket: ClientConnection, xsrf: str) -> None:
        self.websocket = websocket
        self.xsrf = xsrf
        self.number = ""
        self.elements: list = []  # what the last run has drawn: Element messages

    @classmethod
    async def open(cls, url: str, headers: Headers, cookies: str = "") -> Session:
        address = urlsplit(url)
        xsrf = cookies or await asyncio.to_thread(xsrf_cookie, url, headers)
        given = {**headers, "Cookie": "; ".join(filter(None, [headers.get("Cookie"), xsrf]))}
        websocket = await connect(
            f"ws://{address.netloc}/_stcore/stream",
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
        """Return the next message of that kind; the elements of those before it are kept."""
        while True:
            message = ForwardMsg.FromString(await asyncio.wait_for(self.websocket.recv(), 60))
            if message.HasField("delta") and message.delta.HasField("new_element"):
                self.elements.append(message.delta.new_element)
            if message.HasField("new_session"):
                self.number = message.new_session.initialize.session_id
            if message.WhichOneof("type") == kind:
                return message

    async def run(self, ask: BackMsg | None = None, page: str = "") -> float:
        """Run the script as a click does; return the seconds until it has run to its end."""
        ask = ask or BackMsg()
        ask.rerun_script.page_name = page
        self.elements = []
        begun = time.perf_counter()
        await self.websocket.send(ask.SerializeToString())
        while True:
            message = await self.receive("script_finished")
            if message.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY:
                break
        taken = time.perf_counter() - begun
        if failed := [e.exception for e in self.elements if e.HasField("exception")]:
            raise RuntimeError(failed[0].message)
        return taken

    @property
    def text(self) -> str:
        """Return what the last run has drawn as text."""
        return "\n".join(e.markdown.body for e in self.elements if e.HasField("markdown"))


def xsrf_cookie(url: str, headers: Headers) -> str:
    """Return the cookie that Streamlit gives a browser with its health."""
    connection = connection_to(url)
    base = "{0.scheme}://{0.netloc}".format(urlsplit(url))
    connection.sendall(request_for(f"{base}/_stcore/health", {**headers, "Connection": "close"}))
    received = b""
    while chunk := connection.recv(65536):
        received += chunk
    for line in received.decode("latin-1").splitlines():
        if line.lower().startswith("set-cookie: _streamlit_xsrf="):
            return line.partition(": ")[2].partition(";")[0]
    return ""


def rerun(url: str, headers: Headers, page: str, runs: int) -> dict:
    """Open a page and move its slider again and again; return the seconds of each run."""
    return asyncio.run(_rerun(url, headers, page, runs))


async def _rerun(url: str, headers: Headers, page: str, runs: int) -> dict:
    session = await Session.open(url, headers)
    await session.run(page=page)
    slider = next(e.slider for e in session.elements if e.HasField("slider"))
    times = []
    for number in range(runs + 3):
        ask = BackMsg()
        value = ask.rerun_script.widget_states.widgets.add(id=slider.id)
        level = 4 + number % 6
        value.double_array_value.data.append(level)
        times.append(await session.run(ask, page))
        if not re.search(rf"^The (slider at|last) {level}\b", session.text, re.MULTILINE):
            raise RuntimeError(f"the app has not answered: {session.text!r}")
    return {"seconds": times[3:]}


def first_page(url: str, headers: Headers, page: str, visits: int) -> dict:
    """Open a page in new browsers, one after the other; return the seconds of each."""
    return asyncio.run(_first_page(url, headers, page, visits))


async def _first_page(url: str, headers: Headers, page: str, visits: int) -> dict:
    times = []
    for _ in range(visits):
        begun = time.perf_counter()
        connection = connection_to(url)
        size_of_answer(connection, request_for(url, headers))
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
        # A page that is open asks for these two, and connects when it has them.
        for path in ("/_stcore/health", "/_stcore/host-config"):
            await ask_once(base + path, headers)
        session = await Session.open(url, headers, "_streamlit_xsrf=x")
        await session.run(page=page)
        kept.append(session)
        return time.perf_counter() - begun

    kept: list[Session] = []
    results = await asyncio.gather(*(one() for _ in range(sessions)), return_exceptions=True)
    refused = [repr(result) for result in results if isinstance(result, BaseException)]
    times = [result for result in results if isinstance(result, float)]
    return {"seconds": times, "refused": refused}


async def ask_once(url: str, headers: Headers) -> None:
    """Ask on a connection of its own. The answer has to be 200."""
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    writer.write(request_for(url, {**headers, "Connection": "close"}))
    answer = await reader.read()
    writer.close()
    if b" 200 " not in answer[:20]:
        raise RuntimeError(answer[:200].decode("latin-1"))


def browsers(headers: Headers, processes: int, count: int) -> Iterator[Headers]:
    """Yield what each browser sends. They are in the processes of Streamlit in turn."""
    for number in range(count):
        process = f"__Host-process={number % processes + 1}" if processes > 1 else ""
        cookies = "; ".join(filter(None, [headers.get("Cookie"), process]))
        yield {**headers, "Cookie": cookies} if cookies else headers


def idle(
    url: str, headers: Headers, page: str, sessions: int, seconds: float, processes: int = 1
) -> dict:
    """Hold many pages open; say when they are, wait, and return how many are lost at the end."""
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
        except Exception:
            lost += 1
    return {"lost": lost}


def busy(
    url: str, headers: Headers, page: str, sessions: int, seconds: float, processes: int = 1
) -> dict:
    """Have many pages run again as soon as they have run; return reruns/s."""
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
    url: str, headers: Headers, pages: list[str], processes: int, at_once: int, seconds: float
) -> dict:
    """Have people come, click, upload a file, and leave; return how many there were, and failures.

    So many are there at once. Half of them leave without a word, as a laptop that is shut does.
    """
    return asyncio.run(_visitors(url, headers, pages, processes, at_once, seconds))


async def _visitors(
    url: str, headers: Headers, pages: list[str], processes: int, at_once: int, seconds: float
) -> dict:
    random = Random(1)
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

    async def one_after_the_other() -> None:
        while time.monotonic() < end:
            try:
                await visit()
            except Exception as error:
                print(repr(error), file=sys.stderr)
                counted["failures"] += 1
            counted["visits"] += 1

    await asyncio.gather(*(one_after_the_other() for _ in range(at_once)))
    return counted


if __name__ == "__main__":
    print(json.dumps(globals()[sys.argv[1]](**json.loads(sys.argv[2]))))
