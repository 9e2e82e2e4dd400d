"""What systemd is told: that the watch is ready, alive, stopping. Without systemd nothing is sent."""

from __future__ import annotations

import os
import socket


class Systemd:
    """The service manager that started this process, if one did (sd_notify(3))."""

    def __init__(self) -> None:
        self._address = os.environ.get("NOTIFY_SOCKET", "")

    @property
    def watchdog_s(self) -> float | None:
        """Seconds within which systemd wants to hear from this process; None where it does not ask."""
        # A child of the service may have inherited the request, which was for its parent.
        if os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
            return None
        try:
            return int(os.environ["WATCHDOG_USEC"]) / 1e6
        except (KeyError, ValueError):
            return None

    def tell(self, *assignments: str) -> None:
        """Sends assignments such as `READY=1`; that systemd is not listening is no failure of the watch."""
        if not self._address:
            return
        # A name that begins with @ stands for one in the abstract namespace.
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            # The watch must not wait for a manager that does not read.
            sender.setblocking(False)
            try:
                sender.sendto("\n".join(assignments).encode(), address)
            except OSError:
                return
