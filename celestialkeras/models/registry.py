"""The networks by name: what each is, where it comes from, what it takes and what it costs."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from celestialkeras import models
from celestialkeras.backend import import_tensorflow
from celestialkeras.errors import ModelError
from celestialkeras.lcid.detectors import CHIP_SHAPE
from celestialkeras.suggestions import did_you_mean

if TYPE_CHECKING:
    import keras

FULL_INPUT_SHAPE = (*CHIP_SHAPE, 1)
"""Input shape `(height, width, channels)` of a network that takes whole frames."""

Factory = Callable[..., "keras.Model"]
"""Takes `input_shape` and keyword options, gives a functional model that ends in `logits` and a softmax."""

_REGISTRY: dict[str, ModelEntry] = {}


@dataclass(frozen=True)
class InputRule:
    """Which input shapes a network takes.

    Attributes:
        minimum_side: Smallest height and width, pixels.
        multiple_of: Height and width must be multiples of this many pixels.
        reason: Why, in words that end an error message.
    """

    minimum_side: int
    multiple_of: int
    reason: str

    def check(self, input_shape: Sequence[int]) -> None:
        """Refuses a shape that the network cannot take.

        Args:
            input_shape: `(height, width, channels)`; frames have one channel.

        Raises:
            ModelError: The shape is not three positive integers with one channel, or breaks the rule.
        """
        received = f"Received: input_shape={tuple(input_shape)}"
        if len(input_shape) != 3 or any(not isinstance(n, int) or n < 1 for n in input_shape):
            raise ModelError(f"`input_shape` must be three positive integers (height, width, 1). {received}")
        if input_shape[2] != 1:
            raise ModelError(f"`input_shape` must end in 1: a frame has one channel. {received}")
        sides = input_shape[:2]
        if min(sides) < self.minimum_side:
            raise ModelError(
                f"`input_shape` must have sides of at least {self.minimum_side} pixels: {self.reason}. {received}"
            )
        if any(side % self.multiple_of for side in sides):
            raise ModelError(
                f"`input_shape` must have sides that are multiples of {self.multiple_of}: {self.reason}. {received}"
            )


HALVED_FIVE_TIMES = InputRule(minimum_side=32, multiple_of=1, reason="five halvings leave nothing of a shorter side")
"""The rule of networks that pad their layers, and average their last maps whatever the size of these."""


@dataclass(frozen=True)
class ModelEntry:
    """One registered network.

    Attributes:
        name: What users type, such as `hr_celestialnet`.
        factory: Builds it: `factory(input_shape=(height, width, 1), **options)`.
        source: Citation of the paper that it follows, or a statement that it is this project's own.
        summary: One line for lists.
        rule: Which input shapes it takes.
    """

    name: str
    factory: Factory
    source: str
    summary: str
    rule: InputRule

    @property
    def options(self) -> dict[str, Any]:
        """The factory's keyword options and their defaults."""
        parameters = inspect.signature(self.factory).parameters.values()
        return {one.name: one.default for one in parameters if one.name != "input_shape"}

    def check_options(self, options: Mapping[str, Any]) -> None:
        """Refuses options that the factory does not have.

        Raises:
            ModelError: An option's name is unknown; the nearest known one is offered.
        """
        for name in options:
            if name not in self.options:
                raise ModelError(
                    f"model {self.name!r} has no option `{name}`{did_you_mean(name, self.options)};"
                    f" its options are {', '.join(self.options)}. Received: {name}={options[name]!r}"
                )


def register(name: str, *, source: str, summary: str, rule: InputRule) -> Callable[[Factory], Factory]:
    """Decorates a factory so that its network is known by `name`.

    Args:
        name: What users type.
        source: Citation, or a statement that the network is this project's own.
        summary: One line for lists.
        rule: Which input shapes the network takes; the factory checks it.

    Returns:
        A decorator that gives the factory back unchanged.

    Raises:
        ModelError: The name is taken by another factory.
    """

    def add(factory: Factory) -> Factory:
        known = _REGISTRY.get(name)
        # A reloaded module registers its factory again; only another factory is a clash.
        if known is not None and known.factory.__qualname__ != factory.__qualname__:
            raise ModelError(f"the model name {name!r} is taken by {known.factory.__qualname__}. Received: {factory}")
        _REGISTRY[name] = ModelEntry(name, factory, source, summary, rule)
        return factory

    return add


def list_models() -> list[str]:
    """Names of all registered networks, sorted."""
    _load_families()
    return sorted(_REGISTRY)


def get_model(name: str) -> ModelEntry:
    """The registered network called `name`.

    Raises:
        ModelError: There is none; the nearest name is offered.
    """
    _load_families()
    if name not in _REGISTRY:
        raise ModelError(
            f"no model is called {name!r}{did_you_mean(name, _REGISTRY)};"
            f" `celestial models` lists them: {', '.join(sorted(_REGISTRY))}. Received: model={name!r}"
        )
    return _REGISTRY[name]


def build_model(name: str, input_shape: Sequence[int] = FULL_INPUT_SHAPE, **options: Any) -> keras.Model:
    """Builds a registered network with fresh weights.

    Args:
        name: A name from `list_models`.
        input_shape: `(height, width, 1)`, pixels.
        **options: Keyword options of its factory, such as `width=0.5`.

    Returns:
        A Keras model: `float32 (n, height, width, 1)` in [0, 1] to two probabilities, with a layer `logits`.

    Raises:
        ModelError: The name, an option or the shape is refused.
    """
    entry = get_model(name)
    entry.check_options(options)
    return entry.factory(input_shape=tuple(input_shape), **options)


def _load_families() -> None:
    # Every module beside this one is a family that registers itself: a new network is a new file, nothing else.
    import_tensorflow("building models")
    for module in pkgutil.iter_modules(models.__path__):
        importlib.import_module(f"{models.__name__}.{module.name}")
