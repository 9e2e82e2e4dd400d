"""Where workers are, as it is written on the command line."""

from __future__ import annotations

import re
from dataclasses import dataclass

_LOCAL = re.compile(r"local:([1-9][0-9]{0,3})")
_SCHEDULER = re.compile(r"(tcp|tls)://[^\s/]+:[0-9]{1,5}")


@dataclass(frozen=True)
class ClusterAddress:
    """`local:N`, N processes of this machine, or `tcp://HOST:PORT`, a Dask scheduler; `tls://` where it asks for keys.

    Attributes:
        text: As it was written.
        processes: Processes that are started here; None where the workers are a scheduler's.
    """

    text: str
    processes: int | None

    @classmethod
    def parse(cls, text: str) -> ClusterAddress:
        """Reads an address.

        Raises:
            ValueError: It is neither.
        """
        if local := _LOCAL.fullmatch(text):
            return cls(text, int(local[1]))
        if _SCHEDULER.fullmatch(text):
            return cls(text, None)
        raise ValueError(
            f"must be local:N, with N processes from 1, or tcp://HOST:PORT of a scheduler. Received: {text}"
        )

    def interpreter_threads(self, cores: int) -> int | None:
        """Threads of each process's interpreter with which they take all cores together, at least one.

        Args:
            cores: Cores of this machine.

        Returns:
            None where the workers are a scheduler's, of machines that are not known here.
        """
        return None if self.processes is None else max(1, cores // self.processes)
