from dataclasses import replace
from pathlib import Path

import pytest
import tomllib

from celestialkeras.errors import DatasetError, ModelError, RunError
from celestialkeras.training.options import TrainOptions, load_options


def test_defaults_are_the_papers_twenty_epochs_on_whole_frames():
    options = TrainOptions(data=Path("d"))
    assert (options.model, options.epochs, options.size, options.reading_size) == ("celestialnet_edge", 20, "full", 1)
    assert options.precision == "float32"


def test_size_is_a_binning_factor():
    options = TrainOptions(data=Path("d"), size=4)
    assert options.reading_size == 4
    assert options.input_shape((64, 128)) == (16, 32, 1)


def test_size_may_be_rows_and_columns():
    options = TrainOptions(data=Path("d"), size="50x100")
    assert options.reading_size == (50, 100)
    assert options.input_shape((64, 128)) == (50, 100, 1)
    with pytest.raises(DatasetError, match=r"at most those of the frames, 32 x 64; .* Received: size=50x100"):
        options.input_shape((32, 64))


@pytest.mark.parametrize(
    ("field", "value", "rule"),
    [
        ("data", "d", "the path of a data set folder"),
        ("model", 3, "the name of a model"),
        ("epochs", 0, "a whole number of at least 1"),
        ("epochs", 2.0, "a whole number of at least 1"),
        ("epochs", True, "a whole number of at least 1"),
        ("batch_size", 0, "a whole number of at least 1"),
        ("learning_rate", 0, "a finite number above 0"),
        ("learning_rate", float("nan"), "a finite number above 0"),
        ("learning_rate", float("inf"), "a finite number above 0"),
        ("learning_rate", "fast", "a finite number above 0"),
        ("patience", -1, "a whole number of at least 0"),
        ("size", "half", "'full', a whole binning or ROWSxCOLUMNS such as 500x1000"),
        ("size", "0x100", "'full', a whole binning or ROWSxCOLUMNS such as 500x1000"),
        ("size", 0, "a whole number of at least 1"),
        ("size", 2.5, "a whole number of at least 1"),
        ("stem_strips", -1, "a whole number of at least 0"),
        ("stem_strips", 1.5, "a whole number of at least 0"),
        ("seed", -1, "a whole number of at least 0 and at most 4294967295"),
        ("seed", 2**32, "a whole number of at least 0 and at most 4294967295"),
        ("precision", "float16", "one of float32, mixed_bfloat16, mixed_float16"),
        ("augment", 1, "true or false"),
        ("keep_last", 0, "true or false"),
        ("degrade_share", 0, "a number above 0 and at most 1"),
        ("degrade_share", 1.5, "a number above 0 and at most 1"),
        ("degrade_share", 0.5, "1 where `degrade` does nothing"),
        ("degrade", 3, "a text such as 'psf:3', empty for none"),
        ("model_options", {"width": None}, "a table of numbers, texts, true and false"),
        ("model_options", 3, "a table of numbers, texts, true and false"),
    ],
)
def test_every_field_is_checked(field, value, rule):
    with pytest.raises(RunError) as caught:
        TrainOptions(**{"data": Path("d"), field: value})
    assert f"`{field}` must be {rule}" in str(caught.value)
    assert str(caught.value).endswith(f"Received: {field}={value!r}")


def test_unknown_model_and_model_option_are_refused():
    with pytest.raises(ModelError, match="did you mean 'hr_celestialnet'"):
        TrainOptions(data=Path("d"), model="hr_celestnet")
    with pytest.raises(ModelError, match="did you mean 'stem_stride'"):
        TrainOptions(data=Path("d"), model_options={"stem_strides": 4})


def test_toml_comes_back_alike(tmp_path):
    options = TrainOptions(
        data=tmp_path / 'a "quoted" \\ näme\x7f',
        model_options={"width": 0.5, "stem_stride": 4},
        learning_rate=1e-05,
        size=4,
        seed=7,
        augment=False,
        stem_strips=16,
        degrade="psf:3",
        degrade_share=0.5,
        label_smoothing=0.1,
        keep_last=True,
    )
    (tmp_path / "config.toml").write_text(options.to_toml(), encoding="utf-8")
    assert load_options(tmp_path / "config.toml") == options


def test_written_data_path_is_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert tomllib.loads(TrainOptions(data=Path("d")).to_toml())["data"] == str(tmp_path / "d")


def test_left_out_keys_have_defaults(tmp_path):
    (tmp_path / "few.toml").write_text('data = "d"\nepochs = 3\n')
    assert load_options(tmp_path / "few.toml") == replace(TrainOptions(data=Path("d")), epochs=3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('data = "d"\nepoch = 3\n', "no option `epoch`; did you mean 'epochs'\\?"),
        ('data = "d"\nzzzz = 3\n', "no option `zzzz`; known are data, model"),
        ("epochs = 3\n", "`data` is missing"),
        ('data = "d"\nepochs = "3"\n', "few.toml: `epochs` must be a whole number .* Received: epochs='3'"),
        ("data = 3\n", "`data` must be the path"),
        ("data = \n", "cannot be read as TOML"),
    ],
)
def test_faulty_files_are_refused(tmp_path, text, message):
    (tmp_path / "few.toml").write_text(text)
    with pytest.raises(RunError, match=message):
        load_options(tmp_path / "few.toml")


def test_missing_file_is_refused(tmp_path):
    with pytest.raises(RunError, match=r"none\.toml: no such file"):
        load_options(tmp_path / "none.toml")
