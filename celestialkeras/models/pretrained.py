"""Weights that a network starts from instead of fresh ones: ImageNet's, or those of a file.

What was trained on colour is adapted to one channel so that the first convolution gives, for a frame, what it gave for
that frame as a grey picture. For grey, the three channels `c` of its input were `scale_c * value + offset_c`, and

    sum_c K_c * (scale_c * value + offset_c)  =  (sum_c scale_c K_c) * value  +  sum_c offset_c sum(K_c),

so that one kernel and one constant do it, and no layer that scales the frame is needed. Only along the border, where
a convolution is padded with zeros, do the two differ: a padded zero was mid-grey there and is black here.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from keras import layers

from celestialkeras.errors import ModelError
from celestialkeras.models.cost import leaf_layers
from celestialkeras.models.head import FEATURES
from celestialkeras.models.keras_file import check_standard_layers

FRESH = "fresh"
"""The value of the option `weights` that leaves a network as its initializers made it."""

IMAGENET = "imagenet"
"""The value that asks for the weights published with Keras, trained on ImageNet-1k."""

_Arrays = list[npt.NDArray[np.float32]]


@dataclass(frozen=True)
class ColourInput:
    """How the pictures were encoded that colour weights were trained on, channel by channel in their order.

    Attributes:
        scale: Factor on values in [0, 1].
        offset: What is added after that.
    """

    scale: tuple[float, float, float] = (1.0, 1.0, 1.0)
    offset: tuple[float, float, float] = (0.0, 0.0, 0.0)


CENTRED = ColourInput((255.0, 255.0, 255.0), (-103.939, -116.779, -123.68))
"""Of VGG-16 and ResNet-50: blue, green and red in 0..255, less the mean of ImageNet's pictures."""

STANDARDIZED = ColourInput((1 / 0.229, 1 / 0.224, 1 / 0.225), (-0.485 / 0.229, -0.456 / 0.224, -0.406 / 0.225))
"""Of EfficientNetV2-B0 and ConvNeXt-Tiny: red, green and blue less their means, over their standard deviations."""

SIGNED = ColourInput((2.0, 2.0, 2.0), (-1.0, -1.0, -1.0))
"""Of MobileNetV3: values from -1 to 1."""


@dataclass(frozen=True)
class Donor:
    """Where the weights of a network may come from.

    Attributes:
        build: Builds the network of `keras.applications` without its top for colour pictures, given `weights`; None for
            networks that have none there.
        colour: What its weights expect of their input.
    """

    build: Callable[[str | None], keras.Model] | None = None
    colour: ColourInput = ColourInput()


def start_from(model: keras.Model, weights: str, donor: Donor) -> None:
    """Gives a network its first weights, up to the layer `features`; its head stays fresh.

    Layers are found by their names. While costs are counted, in a TensorFlow graph that never runs, weights are read
    and checked and then left aside.

    Args:
        model: A built network of one channel; changed in place.
        weights: `fresh`, `imagenet`, or a path: a `.keras` model with the same layers, of one channel or three, or an
            HDF5 file as Keras publishes them for the network without its top (`.h5`, `.weights.h5`).
        donor: Where they come from.

    Raises:
        ModelError: Nothing is published for the network, the weights cannot be fetched or read, or they do not fit.
    """
    if weights == FRESH:
        return
    # A thread has a graph of its own, so that the values are read also where costs are counted in one that never runs.
    with ThreadPoolExecutor(1) as elsewhere:
        given = elsewhere.submit(_read, weights, donor, model.name).result()
    taking = [layer for layer in _before_head(model) if layer.weights]
    missing = [layer.name for layer in taking if layer.name not in given]
    if missing:
        raise ModelError(
            f"{weights} has no weights for {len(missing)} of {len(taking)} layers of {model.name}, the first of them"
            f" {missing[0]!r}; give a file of the same network. Received: weights={weights!r}"
        )
    fitting = {layer.name: [np.asarray(one, np.float32) for one in given[layer.name]] for layer in taking}
    _adapt_to_one_channel(taking, fitting, donor.colour)
    for layer in taking:
        arrays = _shaped(layer, fitting[layer.name], weights)
        if tf.executing_eagerly():
            layer.set_weights(arrays)


def _read(weights: str, donor: Donor, name: str) -> dict[str, _Arrays]:
    source = _published(donor, name) if weights == IMAGENET else _load(Path(weights), donor, name)
    return {layer.name: layer.get_weights() for layer in leaf_layers(source) if layer.weights}


def _published(donor: Donor, name: str) -> keras.Model:
    if donor.build is None:
        raise ModelError(
            f"no ImageNet weights of {name} are published with Keras; give `weights` a .keras file of this network, or"
            f" {FRESH!r}. Received: weights={IMAGENET!r}"
        )
    try:
        # Keras tells of its download on stdout, which belongs to results.
        with redirect_stdout(sys.stderr):
            return donor.build(IMAGENET)
    # Keras has no error of its own for a failed download: it raises Exception itself.
    except Exception as error:
        raise ModelError(
            f"the ImageNet weights of {name} cannot be fetched ({error}); on a machine with network access they come to"
            f" ~/.keras/models: copy that .h5 file here and give its path as `weights`, or train with {FRESH!r}."
            f" Received: weights={IMAGENET!r}"
        ) from error


def _load(path: Path, donor: Donor, name: str) -> keras.Model:
    received = f"Received: weights={str(path)!r}"
    if not path.is_file():
        raise ModelError(f"`weights` must be {FRESH!r}, {IMAGENET!r} or a file, and there is no such file. {received}")
    if path.suffix not in (".keras", ".h5"):
        raise ModelError(f"`weights` must be a .keras, .h5 or .weights.h5 file. {received}")
    if path.suffix == ".h5" and donor.build is None:
        raise ModelError(f"Keras publishes no weights file of {name}; give a .keras file of this network. {received}")
    try:
        if path.suffix == ".keras" or donor.build is None:
            check_standard_layers(path)
            return keras.models.load_model(path, compile=False, safe_mode=True)
        source = donor.build(None)
        source.load_weights(path)
    # Keras, h5py and zipfile each raise what they like for a file that is not what its name says.
    except Exception as error:
        raise ModelError(f"{path} cannot be read as weights of {name} without its top ({error}). {received}") from error
    return source


def _adapt_to_one_channel(taking: list[keras.layers.Layer], given: dict[str, _Arrays], colour: ColourInput) -> None:
    first = taking[0]
    kernel = given[first.name][0]
    if kernel.ndim != 4 or kernel.shape[2] != 3 or len(given[first.name]) != len(first.weights):
        return
    grey = np.einsum("hwcf,c->hwf", kernel, colour.scale)[:, :, np.newaxis]
    constant = np.einsum("hwcf,c->f", kernel, colour.offset)
    if first.use_bias:
        given[first.name] = [grey, given[first.name][1] + constant]
        return
    # Without a bias there is a batch normalisation behind it, from whose mean the constant can be taken.
    norm = taking[1]
    gamma, beta, mean, variance = given[norm.name]
    given[first.name], given[norm.name] = [grey], [gamma, beta, mean - constant, variance]


def _shaped(layer: keras.layers.Layer, arrays: _Arrays, weights: str) -> _Arrays:
    wanted = [tuple(weight.shape) for weight in layer.weights]
    found = [array.shape for array in arrays]
    if isinstance(layer, layers.DepthwiseConv2D) and [np.prod(one) for one in wanted] == [
        array.size for array in arrays
    ]:
        # A grouped convolution and a LayerScale have the same numbers in the same order under other shapes.
        return [array.reshape(shape) for array, shape in zip(arrays, wanted, strict=True)]
    if wanted != found:
        raise ModelError(
            f"the weights of layer {layer.name!r} have other shapes: {found} where the network has {wanted}; give a"
            f" file of the same network and options. Received: weights={weights!r}"
        )
    return arrays


def _before_head(model: keras.Model) -> list[keras.layers.Layer]:
    before: list[keras.layers.Layer] = model.layers[: model.layers.index(model.get_layer(FEATURES))]
    return before
