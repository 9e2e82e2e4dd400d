"""A terminal that keeps what is written to it."""

from __future__ import annotations

import io
import re


class Terminal(io.StringIO):
    """What stands in for stdout or stderr where a person looks on."""

    def isatty(self) -> bool:
        return True

    def plain(self) -> str:
        """What was written, without what colours it and moves the cursor."""
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.getvalue())
