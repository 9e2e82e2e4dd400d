"""One file over HTTP: how large it is, and its bytes, from where an earlier try left off.

Plain HTTPS by `requests`, which is what astroquery goes through too. astroquery's own way (`BaseQuery._download_file`,
0.4.11) will not do: it takes one file at a time, adds whatever comes to what is there, also when the server begins anew
or has another version by now, and knows neither `Retry-After` nor a second try. Its searches are not needed: MAST gives
a file by its name alone. `requests` brings what the standard library lacks: kept connections, the proxies and
certificates of the user's environment, and redirects that keep the range.
"""

from __future__ import annotations

import importlib.metadata
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import requests
from urllib3.exceptions import InvalidHeader
from urllib3.util import Retry

from celestialkeras.errors import (
    ArchiveBusyError,
    ArchiveError,
    NotProductError,
    ProductDeniedError,
    ProductNotFoundError,
    TransferError,
)
from celestialkeras.lcid.archive_pace import Pacer, Patience

# What a kill loses of a file; larger pieces would not be faster.
_PIECE = 1 << 16

_BUSY = (408, 429, 500, 502, 503, 504)
_DENIED = (401, 403)
_MISSING = (404, 410)
# How servers answer HEAD where they give only GET, or have signed an address for GET alone.
_NO_HEAD = (400, 403, 405, 501)

_RANGE = re.compile(r"bytes (?:([0-9]+)-([0-9]+)|\*)/([0-9]+|\*)")


@dataclass(frozen=True)
class Delivery:
    """What the archive says of a file before it comes.

    Attributes:
        url: Where it was asked for.
        size: Bytes of the whole file, None where the archive does not say.
        validator: Strong ETag, or else the date of change; empty where it gives neither.
    """

    url: str
    size: int | None
    validator: str

    @property
    def resumable(self) -> bool:
        """Whether a change of the file would be noticed while the rest of it is asked for."""
        return bool(self.validator) or self.size is not None


class Archive:
    """Connections to an archive: one a thread, kept open from file to file."""

    def __init__(self, patience: Patience, pacer: Pacer) -> None:
        self._patience = patience
        self._pacer = pacer
        self._of_thread = threading.local()
        self._sessions: list[requests.Session] = []

    def close(self) -> None:
        """Closes the connections; no thread may be using them any more."""
        for session in self._sessions:
            session.close()

    def size(self, url: str) -> int | None:
        """Bytes of a file, without fetching it; None where the archive does not say.

        Raises:
            ArchiveError: It is not there, or the archive does not answer.
        """
        with self._request("HEAD", url) as response:
            if response.ok and "Content-Length" in response.headers:
                _refuse_pages(response)
                return int(response.headers["Content-Length"])
            if not response.ok and response.status_code not in _NO_HEAD:
                _refuse_status(response)
        with self._request("GET", url, {"Range": "bytes=0-0"}) as response:
            _refuse_status(response)
            _refuse_pages(response)
            return _whole_size(response)

    def download(
        self,
        url: str,
        part: Path,
        earlier: Delivery | None,
        on_delivery: Callable[[Delivery], None],
        on_bytes: Callable[[int], None],
    ) -> None:
        """Fetches a file, or what is missing of it: one request.

        Args:
            url: Where it lies.
            part: Where its bytes go; holds those of an earlier try, or is not there.
            earlier: What the archive said at that try; None where nobody knows, and the file begins anew.
            on_delivery: Called with what the archive says, before the first byte of a file that begins anew is kept.
            on_bytes: Called with the number of bytes in each piece once it is on its way to disk.

        Raises:
            ProductNotFoundError, ProductDeniedError: The archive will not give it.
            ArchiveBusyError: Not now.
            NotProductError: It gives something else.
            TransferError: The connection broke off; what came is in `part`.
            StoppedError: The fetch was stopped; what came is in `part`.
        """
        have = part.stat().st_size if part.exists() else 0
        if earlier is None or earlier.url != url or not earlier.resumable:
            earlier, have = None, 0
        elif have and have == earlier.size:
            return
        with self._request("GET", url, _range_headers(have, earlier)) as response:
            if response.status_code == 416:
                part.unlink()
                raise TransferError(f"{url}: has no bytes from {have} on; it is fetched anew")
            _refuse_status(response)
            _refuse_pages(response)
            size = _whole_size(response)
            if response.status_code == 206 and not _continues(response, have, earlier):
                part.unlink()
                raise TransferError(f"{url}: gave another range or version than was asked for; it is fetched anew")
            begun = have if response.status_code == 206 else 0
            pieces = response.iter_content(_PIECE)
            first = next(pieces, b"")
            if not begun:
                # Looked at before anything is given up: an error page must not cost what is there already.
                if not first.startswith(b"SIMPLE"):
                    raise NotProductError(f"{url}: is not a FITS file. It begins with {first[:40]!r}")
                part.unlink(missing_ok=True)
                on_delivery(Delivery(url, size, _validator(response)))
            with part.open("ab") as out:
                for piece in chain((first,), pieces):
                    out.write(piece)
                    out.flush()
                    on_bytes(len(piece))
                    self._pacer.check()
        came = part.stat().st_size
        if size is not None and came != size:
            raise TransferError(f"{url}: gave {came} of {size} bytes")

    @contextmanager
    def _request(self, method: str, url: str, headers: Mapping[str, str] | None = None) -> Iterator[requests.Response]:
        self._pacer.check()
        try:
            with self._session().request(
                method,
                url,
                headers=headers,
                stream=True,
                allow_redirects=True,
                timeout=(self._patience.connect_s, self._patience.stall_s),
            ) as response:

                def cut() -> None:
                    # One that has ended meanwhile cannot be cut, and need not be.
                    with suppress(ValueError, RuntimeError, OSError):
                        response.raw.shutdown()

                with self._pacer.cutting(cut):
                    yield response
        except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
            raise TransferError(f"{url}: {method} broke off ({error})") from error
        except requests.RequestException as error:
            raise ArchiveError(f"{url}: cannot be asked for ({error})") from error

    def _session(self) -> requests.Session:
        if not hasattr(self._of_thread, "session"):
            session = requests.Session()
            session.headers["User-Agent"] = f"celestialkeras/{importlib.metadata.version('celestialkeras')}"
            # Lengths and ranges must count the file's own bytes.
            session.headers["Accept-Encoding"] = "identity"
            self._of_thread.session = session
            self._sessions.append(session)
        kept: requests.Session = self._of_thread.session
        return kept


def _range_headers(have: int, earlier: Delivery | None) -> dict[str, str]:
    if not have or earlier is None:
        return {}
    headers = {"Range": f"bytes={have}-"}
    if earlier.validator:
        # The whole file comes where it has changed since (RFC 9110, 13.1.5).
        headers["If-Range"] = earlier.validator
    return headers


def _continues(response: requests.Response, have: int, earlier: Delivery | None) -> bool:
    """Whether a partial answer begins where the earlier try ended, and is of the same version."""
    found = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
    if earlier is None or found is None or found[1] is None or int(found[1]) != have:
        return False
    if earlier.size is not None and found[3] not in ("*", str(earlier.size)):
        return False
    # Servers that do not know If-Range answer with a range of whatever they have now.
    return not (earlier.validator and _validator(response)) or _validator(response) == earlier.validator


def _validator(response: requests.Response) -> str:
    etag = response.headers.get("ETag", "")
    # A weak one also stands for bytes that differ, and must not be used for ranges.
    return etag if etag.startswith('"') else response.headers.get("Last-Modified", "")


def _whole_size(response: requests.Response) -> int | None:
    if response.status_code == 206:
        found = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
        return int(found[3]) if found is not None and found[3] != "*" else None
    length = response.headers.get("Content-Length")
    return None if length is None else int(length)


def _refuse_pages(response: requests.Response) -> None:
    """Refuses answers that call themselves a success and are no file."""
    kind = response.headers.get("Content-Type", "")
    if kind.startswith("text/html"):
        raise NotProductError(
            f"{response.url}: is a web page, not a FITS file; a login, a portal of the local network or a notice?"
            f" Received: Content-Type={kind!r}"
        )
    encoding = response.headers.get("Content-Encoding", "identity")
    if encoding != "identity":
        raise NotProductError(
            f"{response.url}: comes compressed though that was declined. Received: Content-Encoding={encoding!r}"
        )


def _refuse_status(response: requests.Response) -> None:
    status = f"{response.status_code} {response.reason}"
    if response.ok:
        return
    if response.status_code in _MISSING:
        raise ProductNotFoundError(f"{response.url}: the archive has no such file. Received: {status}")
    if response.status_code in _DENIED:
        raise ProductDeniedError(
            f"{response.url}: only for those who are logged in; in its exclusive access period? Received: {status}"
        )
    if response.status_code in _BUSY:
        wait_s = _retry_after(response)
        later = "" if wait_s is None else f", Retry-After {response.headers['Retry-After']}"
        raise ArchiveBusyError(f"{response.url}: the archive is busy; try later. Received: {status}{later}", wait_s)
    raise ArchiveError(f"{response.url}: the archive refuses. Received: {status}")


def _retry_after(response: requests.Response) -> float | None:
    """Seconds that the answer asks to wait, given as such or as a date."""
    try:
        return Retry().get_retry_after(response.raw)
    except InvalidHeader:
        return None
