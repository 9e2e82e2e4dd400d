"""Models opened for running them over a data set: Keras models and artifacts alike."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from celestial_cli.locate import is_artifact
from celestial_edge.card import CARD_NAME
from celestialkeras.files import sha256_of

if TYPE_CHECKING:
    from celestialkeras.evaluation.predictor import Predictor
    from celestialkeras.lcid.variants import Size


@dataclass(frozen=True)
class OpenModel:
    """A model, opened.

    Attributes:
        predictor: What gives the logits.
        size: At which size it takes frames.
        keras_model: The Keras model; None of an artifact.
    """

    predictor: Predictor
    size: Size
    keras_model: Any


def open_model(source: Path, frame_shape: tuple[int, int], threads: int) -> OpenModel:
    """Opens an artifact or a `.keras` file.

    Args:
        source: Which.
        frame_shape: Rows and columns of the frames that it will be given, before they are made smaller for it.
        threads: Threads of the interpreter that runs artifacts.

    Raises:
        ArtifactError: The artifact is unusable.
        ModelError: The file is not a model of the project's kind, or takes more pixels than the frames have.
    """
    from celestial_edge.device.runtime import Classifier
    from celestialkeras.evaluation.predictor import KerasPredictor, load_model, reading_size

    if is_artifact(source):
        classifier = Classifier(source, threads)
        return OpenModel(classifier, classifier.card.input.model_shape, None)
    model = load_model(source)
    return OpenModel(KerasPredictor(model), reading_size(model, frame_shape), model)


def seal_of(source: Path) -> str:
    """SHA-256 of a `.keras` file, or of the card of an artifact, which holds those of its files."""
    return sha256_of(source / CARD_NAME if is_artifact(source) else source)
