"""`celestial quantize`."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from celestial_cli.fine_tuning import Parent, open_parent
from celestial_cli.locate import artifacts_folder, find_model, open_data
from celestial_cli.parameters import Choice, ModelPath
from celestial_cli.tables import print_table
from celestial_cli.terminal import command_line, json_option, print_json, say, threads_option
from celestial_edge.recipes import LAYOUTS, RECIPES, STATIC_INT8, WHOLE
from celestialkeras.backend import import_tensorflow

if TYPE_CHECKING:
    from celestial_edge.compress.quantize import QuantizeResult
    from celestialkeras.evaluation.temperature import TemperatureFit
    from celestialkeras.training.run import Run


@click.command()
@click.argument("model", required=False, type=ModelPath())
@click.option("--int8", is_flag=True, help=f"Recipe {STATIC_INT8}: weights, activations, input and output in int8.")
@click.option("--recipe", type=Choice(list(RECIPES)), help="How weights (w) and activations (a) are stored.")
@click.option("--data", type=click.Path(path_type=Path), help="Data set folder.  [default: the run's]")
@click.option("--to", "folder", type=click.Path(path_type=Path), help="Folder of artifacts.  [default: RUN/artifacts]")
@click.option("--calibration-frames", type=click.IntRange(1), default=32, show_default=True, help="Training frames.")
@click.option(
    "--max-drop",
    type=click.FloatRange(0, 100),
    default=1.0,
    show_default=True,
    help="Allowed loss, points.",
)
@click.option("--allow-drop", is_flag=True, help="Keep the artifact though the loss is beyond; its card says so.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of the calibration frames.")
@click.option(
    "--layout",
    type=Choice(LAYOUTS),
    default=WHOLE,
    show_default=True,
    help="One rewritten graph for any runtime; strips for the least memory; or plain, as the converter makes it.",
)
@click.option(
    "--abstain",
    type=click.FloatRange(0.5, 1),
    metavar="P",
    help="Have the artifacts leave undecided what is less probable than P; `celestial evaluate` shows what that gives.",
)
@click.option("--qat", is_flag=True, help="First train on with the rounding of int8, to a run of its own; then --int8.")
@click.option("--epochs", type=click.IntRange(1), help="Of --qat.  [default: 10]")
@click.option(
    "--learning-rate", type=click.FloatRange(0, min_open=True), help="Highest rate of --qat.  [default: 0.0001]"
)
@click.option("--name", help="Name of the run of --qat.  [default: the model and the time]")
@threads_option
@json_option
def quantize(
    model: Path | None,
    int8: bool,
    recipe: str | None,
    data: Path | None,
    folder: Path | None,
    qat: bool,
    epochs: int | None,
    learning_rate: float | None,
    name: str | None,
    as_json: bool,
    **asked: Any,
) -> None:
    """Quantize MODEL (run or .keras file; runs/latest if not given) and judge the loss on validation frames.

    Exit code 3, and no artifact, when the paired interval of the loss lies beyond --max-drop. On fewer than 300
    frames the loss is reported and not judged.
    """
    if (int8 or qat) and recipe not in (None, STATIC_INT8):
        raise click.UsageError(f"{'--int8' if int8 else '--qat'} is recipe {STATIC_INT8}; leave out --recipe {recipe}")
    recipe = STATIC_INT8 if int8 or qat else recipe
    if recipe is None:
        raise click.UsageError(f"name a recipe: --int8, or --recipe with one of {', '.join(RECIPES)}")
    given = {"epochs": epochs, "learning_rate": learning_rate}
    training = {key: value for key, value in given.items() if value is not None}
    if not qat and (training or name):
        raise click.UsageError("--epochs, --learning-rate and --name are of --qat; without it nothing is trained")
    if qat and data:
        raise click.UsageError("--qat trains on the data set of its run; leave out --data")
    original: Path | None = None
    run: Run | None
    if qat:
        parent = open_parent(model, name)
        original, run = parent.source, _train(parent, training, asked, name)
        source = run.model
    else:
        source, run = find_model(model)
    # Before anything imports it in its own way, with all that it has to say.
    import_tensorflow("quantizing a model")
    from celestial_edge.compress.quantize import QuantizeOptions, make_artifacts

    dataset = open_data(data, run, source)
    folder = folder or (artifacts_folder(run) if run else source.parent / f"{source.stem}-artifacts")
    say(f"quantizing {source}")
    options = QuantizeOptions(recipe=recipe, made_by=command_line(), **asked)
    result = make_artifacts(source, dataset, folder, options, original)
    _print(result, recipe, as_json)


def _train(parent: Parent, training: dict[str, Any], asked: dict[str, Any], name: str | None) -> Run:
    """Trains a run's model on with the rounding of int8, and gives it a run of its own."""
    from celestial_edge.compress.qat import QatOptions, fine_tune
    from celestialkeras.training.calibration import calibrate_run
    from celestialkeras.training.derived import Derivation, derive_run, finish_without_training

    own = parent.run.options()
    options = QatOptions(
        # The frames that the artifact will be calibrated on.
        calibration_frames=asked["calibration_frames"],
        seed=asked["seed"],
        batch_size=own.batch_size,
        augment=own.augment,
        **training,
    )
    say(f"training {parent.source} on for {options.epochs} epochs with the rounding of int8")
    tuned = fine_tune(parent.model, parent.dataset, options)
    derivation = Derivation("qat", asdict(options), str(parent.source.resolve()), parent.sha256, {})
    derived = replace(own, epochs=options.epochs, learning_rate=options.learning_rate)
    run = derive_run(parent.source, derived, derivation, tuned, name)
    finish_without_training(run)
    calibrate_run(run, parent.dataset)
    return run


def _print(result: QuantizeResult, recipe: str, as_json: bool) -> None:
    from celestial_edge.compress.quantize import gate_to_json
    from celestialkeras.evaluation.report import percent

    gate = gate_to_json(result.judgement)
    if as_json:
        print_json(
            {
                "schema": "celestialkeras.quantization/1",
                "artifact": str(result.artifact),
                "float_artifact": str(result.float_artifact),
                "gate": gate,
                "calibration": {"float32": asdict(result.float_fit), recipe: asdict(result.fit)},
            }
        )
        return
    comparison = result.judgement.comparison
    low, high = 100 * comparison.interval.low, 100 * comparison.interval.high
    rows = [
        ["accuracy of the Keras model", percent(comparison.accuracy_a), f"{comparison.n} validation frames"],
        [f"accuracy in {recipe}", percent(comparison.accuracy_b), "the same frames, by the artifact as on a board"],
        ["drop", f"{100 * comparison.drop:+.2f} points", f"95 % paired interval {low:+.2f} to {high:+.2f}"],
        ["agreement", percent(comparison.agreement), "frames that both give the same label"],
        ["gate", result.judgement.outcome.value, result.judgement.reason],
    ]
    print_table(f"{result.artifact}", ["what", "value", "note"], rows)
    print_table(
        f"Probabilities on these {comparison.n} frames, on which the temperatures were fitted",
        ["of", "temperature", "calibration error", "Brier score", "log loss, nats"],
        [row for name, fit in (("float32", result.float_fit), (recipe, result.fit)) for row in _fit_rows(name, fit)],
    )
    for name, fit in (("float32", result.float_fit), (recipe, result.fit)):
        if fit.reason:
            say(f"note: {name} stays at temperature 1: {fit.reason}")
    if gate["overruled"]:
        say("warning: the gate failed and was overruled by --allow-drop; the card says so")
    say("next: celestial bench --tflite")


def _fit_rows(name: str, fit: TemperatureFit) -> list[list[str]]:
    found = {1.0: fit.before, fit.temperature: fit.after}
    return [
        [name, f"{at:.3f}", f"{100 * one.expected_error:.2f} points", f"{one.brier:.4f}", f"{one.log_loss:.4f}"]
        for at, one in found.items()
    ]
