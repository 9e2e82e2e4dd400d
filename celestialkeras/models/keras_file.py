"""What a `.keras` file would build, read from its configuration before Keras does: standard layers and nothing else.

Keras refuses serialized code in safe mode, each version a little more of it. This check does not depend on the version,
and names the layer.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from celestialkeras.errors import ModelError

_CONFIG = "config.json"

# That of HR-CelestialNet takes 20 kB; an archive of a few kilobytes may claim any size.
_LARGEST_CONFIG = 64 * 1024 * 1024

# Where Keras keeps what a model is made of; `keras.config`, `keras.utils` and the like only do things. ConvNeXt's layer
# of factors lies with the networks.
_PARTS = frozenset(
    {
        "activations",
        "applications",
        "constraints",
        "dtype_policies",
        "initializers",
        "layers",
        "losses",
        "metrics",
        "models",
        "ops",
        "optimizers",
        "quantizers",
        "regularizers",
    }
)

# Layers of Keras that hold code, or the path of a file that holds it.
_CARRIES_CODE = frozenset({"Lambda", "__lambda__", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer"})


def check_standard_layers(path: Path) -> None:
    """Refuses a `.keras` file that is made of more than standard layers.

    Args:
        path: The file, a zip archive.

    Raises:
        ModelError: It names a Lambda or another layer that carries code, a custom class, or is no `.keras` file.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            size = archive.getinfo(_CONFIG).file_size
            if size > _LARGEST_CONFIG:
                raise ValueError(f"{_CONFIG} claims {size} bytes")
            config = json.loads(archive.read(_CONFIG))
    # zipfile and json raise what they like for a file that is not what its name says.
    except Exception as error:
        raise _refusal(path, f"its {_CONFIG} cannot be read: {error}") from error
    for named in _named_objects(config):
        why = _not_standard(named)
        if why:
            raise _refusal(path, why)


def _named_objects(config: Any) -> Iterator[dict[str, Any]]:
    """Every object of a configuration that names its class, without recursion: nesting may be hostile."""
    waiting = [config]
    while waiting:
        found = waiting.pop()
        if isinstance(found, dict):
            if "class_name" in found:
                yield found
            waiting += found.values()
        elif isinstance(found, list):
            waiting += found


def _not_standard(named: dict[str, Any]) -> str:
    """Why an object is no standard one, in words; empty if it is."""
    inner = named.get("config")
    name = named.get("name") or (inner.get("name") if isinstance(inner, dict) else None)
    what = f"layer {name!r}" if name else "a part"
    kind, module = str(named["class_name"]), named.get("module")
    if kind in _CARRIES_CODE:
        return f"{what} is a `{kind}` layer that carries code"
    registered = str(named.get("registered_name") or "")
    if ">" in registered or not _is_of_keras(module):
        return f"{what} is of the custom class `{registered if '>' in registered else f'{module}.{kind}'}`"
    return ""


def _is_of_keras(module: Any) -> bool:
    # Tensors and the like name no module, policies that of Keras itself, plain functions Python's.
    if module in (None, "keras", "builtins"):
        return True
    parts = str(module).removeprefix("keras.src.").removeprefix("keras.").split(".")
    return str(module).startswith("keras.") and parts[0] in _PARTS


def _refusal(path: Path, cause: str) -> ModelError:
    return ModelError(
        f"cannot be loaded in safe mode ({cause}); use standard layers only and save it again. Received: {path}"
    )
