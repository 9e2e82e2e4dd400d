"""`celestial import-torch`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from celestial_cli.tables import print_table
from celestial_cli.terminal import json_option, print_json, say
from celestialkeras.backend import import_tensorflow
from celestialkeras.lcid.manifest import LABELS

if TYPE_CHECKING:
    from celestialkeras.models.torch_state import TorchImport


def _size(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[int, int] | None:
    if value is None:
        return None
    sides = re.fullmatch(r"([1-9]\d*)x([1-9]\d*)", value, re.ASCII)
    if sides is None:
        raise click.BadParameter(f"must be height and width in pixels, such as 2048x4096. Received: {value!r}")
    return int(sides[1]), int(sides[2])


@click.command("import-torch")
@click.argument("state", type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="The .keras file to write.")
@click.option(
    "--size", callback=_size, metavar="HEIGHTxWIDTH", help="Pixels that it was trained on.  [default: 2048x4096]"
)
@click.option("--nsc-first", is_flag=True, help="Its logits are NSC, galaxy; they are put the other way round.")
@json_option
def import_torch(state: Path, output: Path, size: tuple[int, int] | None, nsc_first: bool, as_json: bool) -> None:
    """Turn STATE, a state dict of the authors' PyTorch class, into a Keras model with the same answers.

    STATE is a .npz, .safetensors, .pt or .pth file; the last two need PyTorch. Width and classes are read off the
    shapes. No state dict tells the order of the classes, nor how its frames were scaled: here galaxy comes first, and
    frames are codes / 255.
    """
    import_tensorflow("importing a network")
    from celestialkeras.models import torch_state

    say(f"importing {state}")
    result = torch_state.import_torch(state, output, size, nsc_first=nsc_first)
    if as_json:
        print_json(_report(state, result, nsc_first))
        return
    _print(result, nsc_first)


def _report(state: Path, result: TorchImport, nsc_first: bool) -> dict[str, object]:
    network = result.network
    return {
        "schema": "celestialkeras.import/1",
        "path": str(result.path),
        "state": str(state),
        "state_entries": result.entries,
        "network": "hr_celestialnet",
        "input_shape": [*network.size, 1],
        "width": network.width,
        "classes": network.classes,
        "nsc_first": nsc_first,
        "trainable_parameters": result.parameters,
    }


def _print(result: TorchImport, nsc_first: bool) -> None:
    network = result.network
    order = "put the other way round" if nsc_first else "taken to be as in the state dict, which does not tell"
    rows = [
        ["frame", " x ".join(map(str, network.size)), "float32, codes / 255"],
        ["width", f"{network.width:g}", "1 is the published network"],
        ["logits", str(network.classes), f"{', '.join(LABELS)}: {order}" if network.classes == len(LABELS) else ""],
        ["parameters", f"{result.parameters:,}", f"from {result.entries} entries"],
    ]
    print_table(str(result.path), ["what", "value", "note"], rows)
