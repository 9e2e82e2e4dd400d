"""An archive on 127.0.0.1 that misbehaves as told, and counts what it gives."""

from __future__ import annotations

import io
import os
import select
import socket
import struct
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
from astropy.io import fits

from celestialkeras.lcid.detectors import ACS_WFC
from celestialkeras.lcid.manifest import Observation
from raw_files import RawFile, raw_counts

PIECE = 1 << 16


@dataclass(frozen=True)
class Fault:
    """What goes wrong with one answer.

    Attributes:
        status: Of the answer; 200 answers a range with 206.
        headers: Beside or in place of what a healthy server sends.
        body: In place of the file.
        stop_after: Bytes after which the answer stops.
        ending: How it stops: the connection is closed, reset, or stays silent until the client goes.
    """

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    stop_after: int | None = None
    ending: str = "close"


@dataclass
class Served:
    """One request: what was asked for, and how many bytes of a body have been given."""

    method: str
    name: str
    status: int
    first_byte: int
    sent: int = 0


@dataclass
class ArchiveServer:
    """Gives files by name, as MAST is asked and as a plain folder is.

    Attributes:
        files: What it has.
        faults: What goes wrong with the next GETs of a file, in order; then it is well.
        head_faults: The same for HEAD.
        etag: Strong ETag of all files, None for none.
        heeds_ranges: Whether it knows Range at all.
        gives_head: Whether it knows HEAD.
        pause_s: Seconds between pieces of a body.
        allowance: Bytes in all after which it falls silent until more are allowed; None for any number.
        log: The requests.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    faults: dict[str, list[Fault]] = field(default_factory=lambda: defaultdict(list))
    head_faults: dict[str, list[Fault]] = field(default_factory=lambda: defaultdict(list))
    etag: str | None = '"version 1"'
    heeds_ranges: bool = True
    gives_head: bool = True
    pause_s: float = 0.0
    allowance: int | None = None
    log: list[Served] = field(default_factory=list)

    def __enter__(self) -> ArchiveServer:
        self._lock = threading.Lock()
        self.gone = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.gone.set()
        self._server.shutdown()
        # Clients close kept connections when their garbage is collected, which may be much later.
        for connection in self._server.connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/Download/file"

    def note(self, served: Served) -> None:
        with self._lock:
            self.log.append(served)

    @property
    def sent(self) -> int:
        with self._lock:
            return sum(served.sent for served in self.log)

    def asked(self, name: str, method: str = "GET") -> list[Served]:
        with self._lock:
            return [served for served in self.log if served.name == name and served.method == method]

    def await_allowance(self, connection: socket.socket) -> None:
        """Returns when more may be sent; raises when there is nobody to send it to."""
        while True:
            readable, _, _ = select.select([connection], [], [], 0)
            # The client has asked for all it wants, so that what can be read is its end.
            if readable or self.gone.is_set():
                raise ConnectionError
            if self.allowance is None or self.sent < self.allowance:
                return
            time.sleep(0.002)

    def next_fault(self, method: str, name: str) -> Fault:
        with self._lock:
            waiting = (self.head_faults if method == "HEAD" else self.faults)[name]
            return waiting.pop(0) if waiting else Fault()


class _Server(ThreadingHTTPServer):
    daemon_threads = False

    def __init__(self, *arguments: Any) -> None:
        self.connections: list[socket.socket] = []
        super().__init__(*arguments)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that was killed is no error of the server."""

    def get_request(self) -> tuple[socket.socket, object]:
        connection, address = super().get_request()
        # What is counted as given must not lie in buffers when the client dies.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, PIECE)
        self.connections.append(connection)
        return connection, address


def _handler(archive: ArchiveServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 30

        def log_message(self, *arguments: object) -> None:
            pass

        def do_HEAD(self) -> None:
            self._answer("HEAD")

        def do_GET(self) -> None:
            self._answer("GET")

        def _answer(self, method: str) -> None:
            address = urlsplit(self.path)
            asked = parse_qs(address.query).get("uri", [address.path])[0]
            name = asked.rpartition("/")[2]
            fault = archive.next_fault(method, name)
            if name not in archive.files and fault.status == 200:
                fault = Fault(404, body=b"")
            if method == "HEAD" and not archive.gives_head:
                fault = Fault(405, body=b"")
            body = archive.files.get(name, b"") if fault.body is None else fault.body
            if fault.status != 200 and fault.body is None:
                body = b"busy"
            first, status = 0, fault.status
            wanted = self.headers.get("Range")
            same = self.headers.get("If-Range") in (None, archive.etag)
            if wanted and archive.heeds_ranges and same and status == 200 and fault.body is None:
                begin, _, end = wanted.removeprefix("bytes=").partition("-")
                first, last = int(begin), int(end or len(body) - 1)
                status = 206 if first < len(body) else 416
            headers = {"Content-Type": "application/fits"}
            if archive.etag is not None:
                headers["ETag"] = archive.etag
            if status == 206:
                headers["Content-Range"] = f"bytes {first}-{last}/{len(body)}"
                body = body[first : last + 1]
            elif status == 416:
                headers["Content-Range"] = f"bytes */{len(body)}"
                body = b""
            headers |= {"Content-Length": str(len(body)), **fault.headers}
            served = Served(method, name, status, first)
            archive.note(served)
            self.send_response(status)
            for card, value in headers.items():
                if value:
                    self.send_header(card, value)
            self.end_headers()
            if method == "GET":
                self._send(body[: fault.stop_after], served)
            if fault.stop_after is not None and method == "GET":
                self._stop(fault.ending)

        def _send(self, body: bytes, served: Served) -> None:
            try:
                for start in range(0, len(body), PIECE):
                    archive.await_allowance(self.connection)
                    piece = body[start : start + PIECE]
                    # Counted first: a client that has it all must not find less here.
                    served.sent += len(piece)
                    self.wfile.write(piece)
                    if archive.pause_s:
                        time.sleep(archive.pause_s)
            except OSError:
                self.close_connection = True

        def _stop(self, ending: str) -> None:
            self.close_connection = True
            if ending == "stall":
                archive.gone.wait(20)
            elif ending == "reset":
                # Closing with a linger of zero sends RST; the server's own shutdown would send FIN before it.
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                os.close(self.connection.detach())

    return Handler


def small_file(rootname: str, size: int = 40_000) -> bytes:
    """A FITS file of this exposure with sums, and no chip of any detector in it."""
    primary = fits.PrimaryHDU()
    primary.header["ROOTNAME"] = rootname
    pixels = np.random.default_rng(5).integers(0, 60_000, (size // 200, 100)).astype(np.uint16)
    return _written(fits.HDUList([primary, fits.ImageHDU(pixels, name="SCI")]))


def chip_file(rootname: str, change: Callable[[fits.HDUList], None] | None = None) -> bytes:
    """A raw ACS/WFC file of this exposure with sums, as far as its lower chip: 17 MB."""
    hdus = RawFile(ACS_WFC, primary={"ROOTNAME": rootname}, counts={1: _chip(), 4: None}).hdus()[:4]
    if change is not None:
        change(hdus)
    return _written(hdus)


def chip_row(rootname: str, **changed: object) -> Observation:
    """The manifest row of the lower chip of such a file."""
    cells = {"object_id": "NGC4298", "instrument": "ACS/WFC", "filter": "F814W", "hdu": 1, "label": "galaxy"}
    return Observation(obsid=rootname, ra=185.4, dec=14.6, **{**cells, **changed})


@cache
def _chip() -> np.ndarray:
    return raw_counts(ACS_WFC, 1)


def _written(hdus: fits.HDUList) -> bytes:
    out = io.BytesIO()
    hdus.writeto(out, checksum=True)
    return out.getvalue()
