"""`celestial predict`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from celestial_cli.locate import find_classifier
from celestial_cli.terminal import json_option, print_json, print_table, say, threads_option

if TYPE_CHECKING:
    from celestial_edge.device.runtime import Verdict


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--model",
    type=click.Path(path_type=Path),
    help="Artifact, .keras file or run.  [default: runs/latest, or the shipped artifact]",
)
@click.option("--hdu", type=click.Choice(["1", "4"]), help="One chip only.  [default: both]")
@threads_option
@json_option
def predict(files: tuple[Path, ...], model: Path | None, hdu: str | None, threads: int, as_json: bool) -> None:
    """Classify FITS FILES: each chip, and each exposure by both its chips together.

    Goes on past bad files and lists them; the exit code is then 1.
    """
    from celestial_edge.device.runtime import combine
    from celestialkeras.errors import FrameError, FrameNotFoundError

    classifier, source = find_classifier(model, threads)
    hdus = [int(hdu)] if hdu else [1, 4]
    exposures: list[dict[str, Any]] = []
    bad: list[dict[str, Any]] = []
    for file in files:
        chips: dict[int, Verdict] = {}
        for chip in hdus:
            try:
                chips[chip] = classifier.classify(file, chip)
            except FrameError as error:
                bad.append({"file": str(file), "hdu": chip, "reason": error.reason, "message": str(error)})
                if isinstance(error, FrameNotFoundError):
                    break
        if chips:
            exposures.append(
                {
                    "file": str(file),
                    "chips": [{"hdu": chip, **_to_json(verdict)} for chip, verdict in chips.items()],
                    "exposure": _to_json(combine(list(chips.values()))),
                }
            )
    if as_json:
        print_json({"model": source, "exposures": exposures, "bad": bad})
    else:
        _print(exposures, bad, source)
    if bad:
        raise click.exceptions.Exit(1)


def _print(exposures: list[dict[str, Any]], bad: list[dict[str, Any]], source: str) -> None:
    rows = []
    for exposure in exposures:
        name = Path(exposure["file"]).name
        rows += [[name, f"HDU {chip['hdu']}", *_cells(chip)] for chip in exposure["chips"]]
        if len(exposure["chips"]) > 1:
            rows.append([name, "both", *_cells(exposure["exposure"])])
    if rows:
        print_table(f"Verdicts of {source}", ["file", "chip", "label", "probability", "ms"], rows)
    for entry in bad:
        say(f"bad frame, HDU {entry['hdu']} ({entry['reason']}): {entry['message']}")


def _cells(verdict: dict[str, Any]) -> list[str]:
    return [verdict["label"], f"{verdict['probability']:.3f}", f"{verdict['milliseconds']['total']:.1f}"]


def _to_json(verdict: Verdict) -> dict[str, Any]:
    return {
        "label": verdict.label,
        "probability": verdict.probability,
        "logits": list(verdict.logits),
        "milliseconds": dict(verdict.milliseconds),
    }
