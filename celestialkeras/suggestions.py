"""Which of the known names somebody may have meant."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable


def did_you_mean(name: str, known: Iterable[str], written: Callable[[str], str] = str) -> str:
    """The part of an error message that offers the nearest known name.

    Args:
        name: What was typed.
        known: What could have been.
        written: How the nearest is to be typed, such as with a folder before it.

    Returns:
        `; did you mean 'NAME'?`, to be put behind what was wrong; empty where no name is near. Upper and lower case
        count as the same.
    """
    # Where two differ in case alone, the first is as good as the other.
    folded = {one.casefold(): one for one in reversed(list(known))}
    close = difflib.get_close_matches(name.casefold(), folded, n=1)
    return f"; did you mean {written(folded[close[0]])!r}?" if close else ""
