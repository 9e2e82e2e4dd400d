import pytest

from celestialkeras.errors import ModelError
from celestialkeras.models.registry import (
    FULL_INPUT_SHAPE,
    InputRule,
    build_model,
    get_model,
    list_models,
    register,
)

RULE = InputRule(minimum_side=64, multiple_of=32, reason="it halves its sides")


def test_full_input_is_a_whole_chip():
    assert FULL_INPUT_SHAPE == (2048, 4096, 1)


def test_lists_every_family_without_importing_it_by_hand():
    assert {"celestialnet_edge", "hr_celestialnet"} <= set(list_models())
    assert list_models() == sorted(list_models())


def test_entry_tells_source_options_and_rule():
    entry = get_model("hr_celestialnet")
    assert entry.name == "hr_celestialnet"
    assert "MNRAS 527, 11935" in entry.source
    assert entry.options == {"width": 1.0, "classes": 2, "stem_kernel": 7, "padding": "valid"}
    assert entry.rule.minimum_side == 1322


def test_unknown_name_offers_the_nearest():
    with pytest.raises(ModelError, match=r"'hr_celestial_net'; did you mean 'hr_celestialnet'\?"):
        get_model("hr_celestial_net")


def test_unknown_name_far_from_all_lists_them():
    with pytest.raises(ModelError, match="no model is called 'zzz'; `celestial models` lists them: ") as caught:
        build_model("zzz")
    assert "hr_celestialnet" in str(caught.value)
    assert "did you mean" not in str(caught.value)


def test_unknown_option_offers_the_nearest():
    with pytest.raises(ModelError, match=r"no option `widht`; did you mean 'width'\?.*Received: widht=2"):
        build_model("celestialnet_edge", (32, 32, 1), widht=2)


def test_build_model_passes_shape_and_options_on():
    model = build_model("celestialnet_edge", [64, 32, 1], width=0.1, classes=3)
    assert model.input_shape == (None, 64, 32, 1)
    assert model.output_shape == (None, 3)


def test_name_cannot_be_taken_twice():
    def other_network(input_shape):
        raise NotImplementedError(input_shape)

    with pytest.raises(ModelError, match="'hr_celestialnet' is taken by hr_celestialnet"):
        register("hr_celestialnet", source="-", summary="-", rule=RULE)(other_network)
    assert get_model("hr_celestialnet").factory is not other_network


@pytest.mark.parametrize("shape", [(64, 96, 1), (2048, 4096, 1)])
def test_rule_takes_what_it_allows(shape):
    RULE.check(shape)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((64, 64), "three positive integers .* Received: input_shape=\\(64, 64\\)"),
        ((64, 0, 1), "three positive integers"),
        ((64, 64.0, 1), "three positive integers"),
        ((64, 64, 3), "must end in 1: a frame has one channel"),
        ((64, 32, 1), "at least 64 pixels: it halves its sides. Received: input_shape=\\(64, 32, 1\\)"),
        ((64, 100, 1), "multiples of 32: it halves its sides"),
    ],
)
def test_rule_refuses_with_reason(shape, message):
    with pytest.raises(ModelError, match=message):
        RULE.check(shape)
