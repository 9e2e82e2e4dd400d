"""TensorFlow, imported without its start-up notes, or an error that says which extra brings it."""

from __future__ import annotations

import os
import sys
from contextlib import nullcontext
from typing import Any

from celestialkeras.descriptors import held_back
from celestialkeras.errors import MissingExtraError

_ERRORS_ONLY = "3"


def import_tensorflow(needed_for: str) -> Any:
    """Imports TensorFlow; its notes on processors and missing GPUs are kept from the terminal.

    Users who want them set `TF_CPP_MIN_LOG_LEVEL` themselves.

    Args:
        needed_for: What asks for it, for the error message.

    Returns:
        The module.

    Raises:
        MissingExtraError: It is not installed.
    """
    # Whatever the user's other projects run on, these models are TensorFlow's.
    os.environ["KERAS_BACKEND"] = "tensorflow"
    wanted = os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", _ERRORS_ONLY) != _ERRORS_ONLY
    try:
        # While the libraries load, their loggers heed no level yet and write straight to the descriptor.
        with nullcontext() if wanted or "tensorflow" in sys.modules else held_back():
            import tensorflow
    except ModuleNotFoundError as error:
        raise MissingExtraError("train", needed_for) from error
    return tensorflow
