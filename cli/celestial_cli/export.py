"""`celestial export`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from celestial_cli.locate import find_model, open_data
from celestial_cli.parameters import ModelPath
from celestial_cli.tables import print_table
from celestial_cli.terminal import json_option, print_json, say
from celestialkeras.backend import import_tensorflow

if TYPE_CHECKING:
    from celestial_edge.compress.onnx_export import OnnxExport


@click.command()
@click.argument("model", required=False, type=ModelPath())
@click.option("--onnx", is_flag=True, help="ONNX up to the logits, float32: for TensorRT and ONNX Runtime.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The file.  [default: beside the model]")
@click.option(
    "--data", type=click.Path(path_type=Path), help="Check on this set's validation frames.  [default: on random ones]"
)
@json_option
def export(model: Path | None, onnx: bool, output: Path | None, data: Path | None, as_json: bool) -> None:
    """Export MODEL (run or .keras file; runs/latest if not given), and check the file against the Keras model.

    Artifacts for LiteRT are made by `celestial quantize`.
    """
    if not onnx:
        raise click.UsageError("name a format: --onnx")
    source, run = find_model(model)
    import_tensorflow("exporting a model")
    from celestial_edge.compress.onnx_export import export_onnx

    dataset = open_data(data, run, source) if data else None
    say(f"exporting {source}")
    result = export_onnx(source, output or source.with_suffix(".onnx"), dataset)
    if as_json:
        print_json({"schema": "celestialkeras.export/1", **asdict(result), "path": str(result.path)})
        return
    _print(result)


def _print(result: OnnxExport) -> None:
    operators = ", ".join(f"{count} {kind}" for kind, count in result.operators.items())
    rows = [
        ["frame", " x ".join(map(str, result.input_shape)), "input: float32, codes / 255, a batch of one"],
        ["logits", "1 x 2", "output: float32, galaxy first, before temperature and softmax"],
        ["operators", str(sum(result.operators.values())), f"opset {result.opset}: {operators}"],
        _checked(result),
    ]
    print_table(str(result.path), ["what", "value", "note"], rows)


def _checked(result: OnnxExport) -> list[str]:
    check = result.check
    if check is None:
        return [
            "difference",
            "unknown",
            "not checked, ONNX Runtime is not installed: pip install 'celestialkeras[onnx]'",
        ]
    note = f"from Keras, on {check.frames} frames in {check.runtime}; allowed {check.tolerance:.1e}"
    return ["difference", f"{check.difference:.1e}", note]
