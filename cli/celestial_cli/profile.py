"""`celestial profile`."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from celestial_cli.locate import find_model
from celestial_cli.parameters import Choice, complete_entries
from celestial_cli.tables import print_table
from celestial_cli.terminal import json_option, print_json, say
from celestial_edge.device.boards import BOARDS, Board
from celestial_edge.recipes import FLOAT32, LAYOUTS, PLAIN, STATIC_INT8
from celestialkeras.backend import import_tensorflow

if TYPE_CHECKING:
    from celestial_edge.compress.footprint import Footprint
    from celestial_edge.compress.profile import LayerProfile, LayoutProfile, ModelProfile


@click.command()
@click.argument("model", required=False, shell_complete=complete_entries)
@click.option("--device", type=Choice(list(BOARDS)), help="Say whether each layout fits this board's memory.")
@click.option("--size", help="Of a network by name: `full`, or the side of binned squares.  [default: full]")
@click.option("--width", type=float, help="Of a network by name: factor on its filters.  [default: 1]")
@click.option("--layout", type=Choice(LAYOUTS), default=PLAIN, show_default=True, help="Whose layers to list.")
@json_option
def profile(
    model: str | None, device: str | None, size: str | None, width: float | None, layout: str, as_json: bool
) -> None:
    """Count MODEL layer by layer and predict its peak memory, without running it.

    MODEL is a run, a .keras file or the name of a network; runs/latest if not given. Peaks are those of a fresh
    process, its Python included: `given codes` is what `celestial bench --tflite` measures, `from FITS` what a board
    needs. Measured ones lie within 15 % of them.
    """
    import_tensorflow("counting a network")
    from celestial_edge.compress.profile import profile_model

    found = profile_model(_find(model, size, width))
    if as_json:
        print_json(_to_json(found, device))
        return
    board = BOARDS[device] if device else None
    chosen = next((one for one in found.layouts if one.layout == layout), None)
    layers = chosen.layers if chosen else found.layers
    shape = " x ".join(map(str, found.input_shape[:2]))
    print_table(
        f"{found.model} at {shape}, {layout if chosen else 'as drawn'}: {_totals(found)}",
        ["graph", "layer", "what it does", "output", "parameters", "MMAC", "fp32 MB", "int8 MB", "pointers MB"],
        [_layer_row(one) for one in layers],
    )
    if found.refused:
        say(f"no layout and no peak is known of this model: {found.refused}")
        return
    columns = ["layout", "recipe", "graphs", "GMAC", "weights MB", "pointers MB", "activations MB"]
    columns += ["peak MB, given codes", "peak MB, from FITS", *(["fits"] if board else [])]
    print_table(
        "Predicted peak memory of a process", columns, [row for one in found.layouts for row in _rows(one, board)]
    )
    if board:
        say(f"{board.title}: {board.budget_mb} of {board.memory_mb} MB for one process. {board.source}")


def _find(model: str | None, size: str | None, width: float | None) -> Any:
    """The model that the command line names, a network by name with weights of its own."""
    from celestialkeras.evaluation.predictor import load_model
    from celestialkeras.models.registry import FULL_INPUT_SHAPE, build_model, list_models

    if model is not None and model in list_models() and not Path(model).exists():
        binning = _binning(size)
        rows, columns, channels = FULL_INPUT_SHAPE
        options = {} if width is None else {"width": width}
        return build_model(model, (rows // binning, columns // binning, channels), **options)
    if size is not None or width is not None:
        raise click.UsageError(f"--size and --width are for networks by name: {', '.join(list_models())}")
    path, _ = find_model(Path(model) if model else None)
    return load_model(path)


def _binning(size: str | None) -> int:
    from celestialkeras.models.registry import FULL_INPUT_SHAPE
    from celestialkeras.training.options import FULL_SIZE

    if size is None or size == FULL_SIZE:
        return 1
    if size.isdecimal() and int(size) and not math.gcd(*FULL_INPUT_SHAPE[:2]) % int(size):
        return int(size)
    raise click.BadParameter(
        f"{FULL_SIZE!r} or a whole divisor of both sides of a chip. Received: {size}", param_hint="--size"
    )


def _totals(found: ModelProfile) -> str:
    work = "unknown work" if found.macs is None else f"{found.macs / 1e9:.2f} GMAC as drawn"
    return f"{found.parameters:,} parameters with norms folded, {work}"


def _layer_row(one: LayerProfile) -> list[str]:
    return [
        str(one.graph),
        one.name,
        one.kind,
        " x ".join(map(str, one.shape)),
        f"{one.parameters:,}",
        "?" if one.macs is None else f"{one.macs / 1e6:,.1f}",
        _megabytes(one.activations[FLOAT32]),
        _megabytes(one.activations[STATIC_INT8]),
        _megabytes(one.indirection),
    ]


def _rows(one: LayoutProfile, board: Board | None) -> list[list[str]]:
    from celestial_edge.compress.footprint import fit_of

    return [
        [
            one.layout,
            recipe,
            str(len(one.runs)),
            "?" if one.macs is None else f"{one.macs / 1e9:.2f}",
            _megabytes(footprint.weights),
            _megabytes(footprint.indirection),
            _megabytes(footprint.activations),
            f"{footprint.peak / 1e6:.0f}",
            f"{footprint.peak_with_chip / 1e6:.0f}",
            *([fit_of(footprint.peak_with_chip, board).value] if board else []),
        ]
        for recipe, footprint in one.footprints.items()
    ]


def _megabytes(size: int | None) -> str:
    return "?" if size is None else f"{size / 1e6:,.2f}"


def _to_json(found: ModelProfile, device: str | None) -> dict[str, Any]:
    return {
        "schema": "celestialkeras.profile/1",
        "model": found.model,
        "input_shape": list(found.input_shape),
        "parameters": found.parameters,
        "macs": found.macs,
        "refused": found.refused or None,
        "device": {"name": device, **asdict(BOARDS[device])} if device else None,
        "layers": [_layer_to_json(one) for one in found.layers],
        "layouts": [
            {
                "layout": one.layout,
                "macs": one.macs,
                "graphs": [{"runs": runs} for runs in one.runs],
                "layers": [_layer_to_json(layer) for layer in one.layers],
                "memory": {recipe: _to_json_bytes(each, device) for recipe, each in one.footprints.items()},
            }
            for one in found.layouts
        ],
    }


def _layer_to_json(one: LayerProfile) -> dict[str, Any]:
    return {**asdict(one), "activations": dict(one.activations)}


def _to_json_bytes(footprint: Footprint, device: str | None) -> dict[str, Any]:
    from celestial_edge.compress.footprint import fit_of

    peaks = {"peak": footprint.peak, "peak_with_chip": footprint.peak_with_chip}
    fit = {"fits": fit_of(footprint.peak_with_chip, BOARDS[device]).value} if device else {}
    return {**asdict(footprint), **peaks, **fit}
