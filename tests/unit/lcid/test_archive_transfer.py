from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from email.utils import formatdate
from pathlib import Path
from threading import Timer

import pytest

from archive_server import PIECE, ArchiveServer, Fault, small_file
from celestialkeras.errors import (
    ArchiveBusyError,
    ArchiveError,
    NotProductError,
    ProductDeniedError,
    ProductNotFoundError,
    TransferError,
)
from celestialkeras.lcid.archive_pace import Pacer, Patience, StoppedError, persist
from celestialkeras.lcid.archive_transfer import Archive, Delivery

NAME = "j8bt05akq_raw.fits"
WHOLE = small_file("j8bt05akq", 400_000)
IMPATIENT = Patience(tries=3, connect_s=5, stall_s=0.3, backoff_s=0.01)


class RecordedPacer(Pacer):
    """Waits on a clock of its own, in no time, and keeps what it was asked to wait."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pauses: list[float] = []
        super().__init__(lambda: self.now)

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds
        self.check()


@dataclass
class Client:
    """A download of one file, as a fetch does it."""

    server: ArchiveServer
    part: Path
    pacer: RecordedPacer = field(default_factory=RecordedPacer)
    earlier: Delivery | None = None
    received: int = 0

    def request(self) -> None:
        with closing(Archive(IMPATIENT, self.pacer)) as archive:
            archive.download(self.url, self.part, self.earlier, self._deliver, self._receive)

    def download(self) -> bytes:
        persist(self.request, IMPATIENT, self.pacer, lambda: self.part.stat().st_size if self.part.exists() else 0)
        return self.part.read_bytes()

    @property
    def url(self) -> str:
        return f"{self.server.url}?uri=mast:HST/product/{NAME}"

    def _deliver(self, delivery: Delivery) -> None:
        self.earlier = delivery

    def _receive(self, count: int) -> None:
        self.received += count


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def server() -> Iterator[ArchiveServer]:
    with ArchiveServer({NAME: WHOLE}) as server:
        yield server


@pytest.fixture
def client(server: ArchiveServer, tmp_path: Path) -> Client:
    return Client(server, tmp_path / f"{NAME}.part")


def test_a_file_comes_whole_with_what_is_said_of_it(server: ArchiveServer, client: Client) -> None:
    assert client.download() == WHOLE
    assert client.earlier == Delivery(client.url, len(WHOLE), '"version 1"')
    assert client.received == len(WHOLE) == server.sent
    assert client.pacer.pauses == []


@pytest.mark.parametrize("ending", ["close", "reset", "stall"])
@pytest.mark.parametrize("etag", ['"version 1"', None])
def test_what_is_missing_is_asked_for_by_range(
    server: ArchiveServer, client: Client, ending: str, etag: str | None
) -> None:
    server.etag = etag
    server.faults[NAME] = [Fault(stop_after=70_000, ending=ending), Fault(stop_after=200_000, ending=ending)]
    assert client.download() == WHOLE
    first, second, third = server.asked(NAME)
    assert (first.status, second.status, third.status) == (200, 206, 206)
    # What has come is kept but for the piece in hand.
    assert 70_000 - 65_536 <= second.first_byte <= 70_000
    assert second.first_byte < third.first_byte
    assert client.received == len(WHOLE)


def test_progress_counts_as_patience(server: ArchiveServer, client: Client) -> None:
    server.faults[NAME] = [Fault(stop_after=70_000)] * 5
    assert client.download() == WHOLE
    assert client.pacer.pauses == [0.01] * 5


def test_a_server_without_ranges_begins_anew(server: ArchiveServer, client: Client) -> None:
    server.heeds_ranges = False
    server.faults[NAME] = [Fault(stop_after=70_000)]
    assert client.download() == WHOLE
    assert [served.first_byte for served in server.asked(NAME)] == [0, 0]


def test_a_file_that_changed_meanwhile_comes_whole(server: ArchiveServer, client: Client) -> None:
    server.faults[NAME] = [Fault(stop_after=70_000)]
    with pytest.raises(TransferError, match=f"of {len(WHOLE)} bytes|broke off"):
        client.request()
    server.etag, server.files[NAME] = '"version 2"', small_file("j8bt05akq", 500_000)
    assert client.download() == server.files[NAME]
    assert server.asked(NAME)[-1].status == 200


@pytest.mark.parametrize(
    "headers",
    [{"Content-Range": f"bytes 5-{len(WHOLE) - 1}/{len(WHOLE)}"}, {"Content-Range": ""}, {"ETag": '"version 2"'}],
    ids=["another range", "no range", "another version"],
)
def test_a_partial_answer_that_does_not_continue_is_not_added(
    server: ArchiveServer, client: Client, headers: dict[str, str]
) -> None:
    server.faults[NAME] = [Fault(stop_after=200_000), Fault(headers=headers)]
    assert client.download() == WHOLE
    assert [served.status for served in server.asked(NAME)] == [200, 206, 200]


def test_a_part_of_unknown_origin_is_not_added_to(server: ArchiveServer, client: Client) -> None:
    client.part.write_bytes(b"SIMPLE of another file")
    assert client.download() == WHOLE
    client.part.write_bytes(WHOLE[:1000])
    client.earlier = Delivery("http://elsewhere/", len(WHOLE), '"version 1"')
    assert client.download() == WHOLE
    client.part.write_bytes(WHOLE[:1000])
    client.earlier = Delivery(client.url, None, "")
    assert client.download() == WHOLE
    assert {served.first_byte for served in server.asked(NAME)} == {0}


def test_a_part_longer_than_the_file_is_given_up(server: ArchiveServer, client: Client) -> None:
    client.part.write_bytes(WHOLE + b"more")
    client.earlier = Delivery(client.url, len(WHOLE), "")
    assert client.download() == WHOLE
    assert [served.status for served in server.asked(NAME)] == [416, 200]


def test_a_whole_part_asks_for_nothing(server: ArchiveServer, client: Client) -> None:
    client.part.write_bytes(WHOLE)
    client.earlier = Delivery(client.url, len(WHOLE), "")
    assert client.download() == WHOLE
    assert server.log == []


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_in_seconds_is_waited_out(server: ArchiveServer, client: Client, status: int) -> None:
    server.faults[NAME] = [Fault(status, {"Retry-After": "120"})]
    assert client.download() == WHOLE
    assert client.pacer.pauses == [120.0]


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_as_a_date_is_waited_out(server: ArchiveServer, client: Client, status: int) -> None:
    server.faults[NAME] = [Fault(status, {"Retry-After": formatdate(time.time() + 600, usegmt=True)})]
    assert client.download() == WHOLE
    (pause,) = client.pacer.pauses
    assert 500 < pause <= 600


@pytest.mark.parametrize("header", [{}, {"Retry-After": "soon"}])
def test_a_busy_archive_that_names_no_time_is_asked_ever_more_rarely(
    server: ArchiveServer, client: Client, header: dict[str, str]
) -> None:
    server.faults[NAME] = [Fault(503, header), Fault(502)]
    assert client.download() == WHOLE
    assert client.pacer.pauses == [0.01, 0.02]


def test_a_wait_beyond_patience_ends_the_file(server: ArchiveServer, client: Client) -> None:
    server.faults[NAME] = [Fault(503, {"Retry-After": "86400"})]
    with pytest.raises(ArchiveBusyError, match=r"busy; try later\. Received: 503.*, Retry-After 86400"):
        client.download()
    assert client.pacer.pauses == []


def test_a_busy_archive_holds_back_every_file() -> None:
    pacer = RecordedPacer()
    pacer.hold(30)
    pacer.hold(10)
    pacer.await_turn()
    assert pacer.pauses == [30]


def test_tries_end(server: ArchiveServer, client: Client) -> None:
    server.faults[NAME] = [Fault(429)] * 9
    with pytest.raises(ArchiveBusyError, match="429 Too Many Requests"):
        client.download()
    assert len(server.asked(NAME)) == IMPATIENT.tries


@pytest.mark.parametrize("first_comes", [0, 200_000])
def test_a_web_page_is_refused_and_costs_nothing_of_what_is_there(
    server: ArchiveServer, client: Client, first_comes: int
) -> None:
    page = Fault(headers={"Content-Type": "text/html; charset=utf-8"}, body=b"<html>Log in</html>")
    unnamed = Fault(body=b"<html>Log in</html>")
    if first_comes:
        server.faults[NAME] = [Fault(stop_after=first_comes)]
        with pytest.raises(TransferError):
            client.request()
    server.faults[NAME] = [page, unnamed]
    with pytest.raises(NotProductError, match=r"is a web page, not a FITS file.*Received: Content-Type='text/html"):
        client.request()
    with pytest.raises(NotProductError, match=r"is not a FITS file\. It begins with b'<html>Log in</html>'"):
        client.request()
    assert client.download() == WHOLE
    assert client.received == len(WHOLE)


def test_compressed_answers_are_refused(server: ArchiveServer, client: Client) -> None:
    server.faults[NAME] = [Fault(headers={"Content-Encoding": "gzip"})]
    with pytest.raises(NotProductError, match="Received: Content-Encoding='gzip'"):
        client.request()


@pytest.mark.parametrize(
    ("status", "kind", "message"),
    [
        (404, ProductNotFoundError, "has no such file. Received: 404 Not Found"),
        (401, ProductDeniedError, "exclusive access period"),
        (403, ProductDeniedError, "exclusive access period"),
        (418, ArchiveError, "the archive refuses. Received: 418"),
    ],
)
def test_final_answers_are_not_asked_for_twice(
    server: ArchiveServer, client: Client, status: int, kind: type[ArchiveError], message: str
) -> None:
    server.faults[NAME] = [Fault(status)]
    with pytest.raises(kind, match=message):
        client.download()
    assert len(server.asked(NAME)) == 1


def test_no_server_is_a_transfer_error(client: Client) -> None:
    with closing(Archive(IMPATIENT, client.pacer)) as archive, pytest.raises(TransferError, match="HEAD broke off"):
        archive.size("http://127.0.0.1:9/x")
    with closing(Archive(IMPATIENT, client.pacer)) as archive, pytest.raises(ArchiveError, match="cannot be asked for"):
        archive.size("no address")


@pytest.mark.parametrize(("gives_head", "method"), [(True, "HEAD"), (False, "GET")])
def test_a_size_costs_a_byte_at_most(server: ArchiveServer, client: Client, gives_head: bool, method: str) -> None:
    server.gives_head = gives_head
    with closing(Archive(IMPATIENT, client.pacer)) as archive:
        assert archive.size(client.url) == len(WHOLE)
        assert server.sent <= 1
        server.gives_head = True
        server.head_faults[NAME] = [Fault(404)]
        with pytest.raises(ProductNotFoundError):
            archive.size(client.url)


def test_a_length_that_nobody_says_is_none(server: ArchiveServer, client: Client) -> None:
    server.head_faults[NAME] = [Fault(headers={"Content-Length": ""})]
    server.faults[NAME] = [Fault(body=WHOLE[:2880], headers={"Content-Length": "", "Connection": "close"})]
    with closing(Archive(IMPATIENT, client.pacer)) as archive:
        assert archive.size(client.url) is None


def test_a_stop_cuts_a_silent_connection(server: ArchiveServer, client: Client) -> None:
    server.faults[NAME] = [Fault(stop_after=200_000, ending="stall")]
    received = client._receive

    def receive(count: int) -> None:
        received(count)
        if client.received == 3 * PIECE:
            Timer(0.1, client.pacer.stop).start()

    client._receive = receive  # type: ignore[method-assign]
    with closing(Archive(Patience(tries=3, stall_s=600), client.pacer)) as archive, pytest.raises(TransferError):
        archive.download(client.url, client.part, None, client._deliver, client._receive)
    with pytest.raises(StoppedError):
        client.download()
    assert client.part.read_bytes() == WHOLE[: client.received]


def test_a_stopped_fetch_keeps_what_came(server: ArchiveServer, client: Client) -> None:
    received = client._receive

    def receive(count: int) -> None:
        received(count)
        client.pacer.stop()

    client._receive = receive  # type: ignore[method-assign]
    with pytest.raises(StoppedError):
        client.download()
    assert 0 < client.part.stat().st_size == client.received < len(WHOLE)
