"""What can be evaluated: anything that turns frames into logits, and how a Keras model does."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from celestialkeras.errors import MissingExtraError, ModelError
from celestialkeras.lcid.manifest import LABELS
from celestialkeras.models.keras_file import check_standard_layers

if TYPE_CHECKING:
    import keras

LOGITS_LAYER = "logits"
"""Name of the layer that every model of the project ends in, before its softmax."""


class Predictor(Protocol):
    """Frames in, logits out: Keras models and the classifiers of the board alike."""

    def logits(self, codes: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Scores a batch of frames.

        Args:
            codes: `uint8 (n, H, W)`, stretched 8-bit codes.

        Returns:
            `float32 (n, 2)`, logits in the order galaxy, NSC.
        """
        ...


class KerasPredictor:
    """A Keras model as a `Predictor`.

    The logits are read from the layer `logits`, so that what is scored here is what an exported artifact ends at.
    """

    def __init__(self, model: str | Path | keras.Model) -> None:
        """Takes a model, or loads one.

        Args:
            model: A Keras 3 model, or the path of a `.keras` file. Files are loaded in safe mode only, which refuses
                serialized code.

        Raises:
            MissingExtraError: Keras or TensorFlow is not installed.
            ModelError: The file is missing, is not a `.keras` file or needs unsafe loading; or the model has not
                one input `(H, W, 1)` and a layer `logits` of two units.
        """
        try:
            import keras
        except ModuleNotFoundError as error:
            raise MissingExtraError("train", "Evaluating a Keras model") from error
        if isinstance(model, keras.Model):
            self._source = f"model {model.name!r}"
        else:
            self._source = str(model)
            model = load_model(model)
        self._model = _up_to_logits(model, self._source)

    @property
    def input_shape(self) -> tuple[int | None, int | None]:
        """Rows and columns of the frames that the model takes; None where any size will do."""
        rows, columns = self._model.inputs[0].shape[1:3]
        return rows, columns

    def logits(self, codes: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Scores a batch of frames.

        Args:
            codes: `uint8 (n, H, W)`, stretched 8-bit codes; the model sees `codes / 255`.

        Returns:
            `float32 (n, 2)`, logits in the order galaxy, NSC.

        Raises:
            ModelError: The codes are not 8-bit frames, or not of the size that the model was built for.
        """
        if codes.dtype != np.uint8 or codes.ndim != 3:
            raise ModelError(
                "frames must be 8-bit codes, uint8 (n, H, W); stretch them first."
                f" Received: {codes.dtype} {codes.shape}"
            )
        wanted = self.input_shape
        if any(size not in (None, given) for size, given in zip(wanted, codes.shape[1:], strict=True)):
            raise ModelError(
                f"{self._source} takes frames of {_size(wanted)} pixels; use the data it was trained for, or a model"
                f" built for this size. Received: frames of {_size(codes.shape[1:])}"
            )
        return np.asarray(self._model.predict_on_batch(network_input(codes)), dtype=np.float32)


def network_input(codes: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Frames as networks take them, by the same two roundings as in training: to float32, then the division.

    Args:
        codes: `uint8 (..., H, W)`.

    Returns:
        `float32 (..., H, W, 1)` in [0, 1].
    """
    return codes[..., np.newaxis].astype(np.float32) / np.float32(255)


def load_model(path: str | Path) -> Any:
    """Loads a `.keras` file of standard layers, in safe mode, which refuses serialized code.

    Args:
        path: The file.

    Returns:
        The Keras 3 model, not compiled.

    Raises:
        MissingExtraError: Keras or TensorFlow is not installed.
        ModelError: The file is missing, is not a `.keras` file, or holds more than standard layers.
    """
    try:
        import keras
    except ModuleNotFoundError as error:
        raise MissingExtraError("train", "Loading a Keras model") from error
    path = Path(path)
    if path.suffix != ".keras":
        raise ModelError(f"a model must be a .keras file; save it with model.save('NAME.keras'). Received: {path}")
    if not path.is_file():
        raise ModelError(f"no such model; train one, or give the path of a .keras file. Received: {path}")
    if not zipfile.is_zipfile(path):
        raise ModelError(f"not a .keras file but something else under that name; save it again. Received: {path}")
    check_standard_layers(path)
    try:
        return keras.models.load_model(path, compile=False, safe_mode=True)
    # Keras passes on whatever the archive's readers raise: any of it means that this file gives no model.
    except Exception as error:
        # Keras goes on to recommend unsafe loading; its first sentence is the cause.
        cause = (str(error).strip().splitlines() or [type(error).__name__])[0].split(". ")[0]
        raise ModelError(
            f"cannot be loaded in safe mode ({cause}); use standard layers only and save it again. Received: {path}"
        ) from error


def reading_size(model: Any, frame_shape: tuple[int, int]) -> tuple[int, int]:
    """Rows and columns at which frames are read for a model.

    Args:
        model: A Keras model of input `(H, W, 1)`.
        frame_shape: Rows and columns of the frames.

    Raises:
        ModelError: It takes more than they have, or leaves its size open.
    """
    rows, columns = model.inputs[0].shape[1:3]
    if not rows or not columns or rows > frame_shape[0] or columns > frame_shape[1]:
        raise ModelError(
            f"model {model.name!r} takes {_size((rows, columns))} pixels, which averaging does not give from frames of"
            f" {_size(frame_shape)}; train it with `celestial train --size`"
        )
    return rows, columns


def binning_of(model: Any, frame_shape: tuple[int, int]) -> int:
    """The binning that brings frames to the size a model was built for.

    Args:
        model: A Keras model of input `(H, W, 1)`.
        frame_shape: Rows and columns of the frames.

    Raises:
        ModelError: No whole binning does.
    """
    rows, columns = model.inputs[0].shape[1:3]
    binning = frame_shape[0] // rows if rows else 0
    if not binning or (rows * binning, columns * binning) != frame_shape:
        raise ModelError(
            f"model {model.name!r} takes {rows} x {columns} pixels, which no whole binning of "
            f"{frame_shape[0]} x {frame_shape[1]} frames gives; train it with `celestial train --size`"
        )
    return binning


def _up_to_logits(model: Any, source: str) -> Any:
    import keras

    names = [layer.name for layer in model.layers]
    if LOGITS_LAYER not in names:
        raise ModelError(
            f"a model must end in a layer named {LOGITS_LAYER!r} before its softmax. Received: {source} with the"
            f" layers {', '.join(names[-3:])} at its end"
        )
    outputs = model.get_layer(LOGITS_LAYER).output
    inputs = [tuple(tensor.shape) for tensor in model.inputs]
    if len(inputs) != 1 or len(inputs[0]) != 4 or inputs[0][3] != 1:
        raise ModelError(
            "a model must have one input (frames, rows, columns, 1)."
            f" Received: {source} with the inputs {', '.join(map(str, inputs))}"
        )
    if tuple(outputs.shape) != (None, len(LABELS)):
        raise ModelError(
            f"the layer {LOGITS_LAYER!r} must give (None, {len(LABELS)}): one logit each for {', '.join(LABELS)}."
            f" Received: {source} with {tuple(outputs.shape)}"
        )
    return keras.Model(model.inputs, outputs)


def _size(shape: tuple[int | None, ...]) -> str:
    return " x ".join("any" if size is None else str(size) for size in shape)
