"""A lineage of three: who comes from whom, what became of the files, and what is known of each."""

import json
import shutil
from dataclasses import asdict, replace

import keras
import pytest
from tiny_runs import SHAPE

from celestialkeras.errors import RunError
from celestialkeras.files import sha256_of
from celestialkeras.models.registry import build_model
from celestialkeras.training.derived import Derivation, derive_run, finish_without_training
from celestialkeras.training.history import EpochRow, write_history
from celestialkeras.training.lineage import Accuracy, Ancestor, State, read_accuracy, standing, trace
from celestialkeras.training.observer import Outcome
from celestialkeras.training.run import create_run


def network(filters):
    keras.utils.set_random_seed(filters)
    return build_model("tiny", (*SHAPE, 1), filters=filters)


def derived(parent, options, verb, filters, runs):
    derivation = Derivation(verb, {"step": filters}, str(parent.model.resolve()), sha256_of(parent.model), {})
    run = derive_run(parent.model, options, derivation, network(filters), verb, runs)
    finish_without_training(run)
    return run, derivation


@pytest.fixture
def chain(options, tmp_path):
    """`first`, pruned to `prune`, factorized to `factorize`."""
    first = create_run(options, "digest", tmp_path, "first")
    network(6).save(first.model)
    second, pruning = derived(first, options, "prune", 4, tmp_path)
    third, factorizing = derived(second, options, "factorize", 2, tmp_path)
    return (first, None), (second, pruning), (third, factorizing)


def test_the_chain_begins_with_the_first_ancestor(chain):
    assert trace(chain[2][0]) == [
        Ancestor(run.model.resolve(), run, how, State.WHOLE, sha256_of(run.model)) for run, how in chain
    ]
    assert trace(chain[0][0]) == [
        Ancestor(chain[0][0].model, chain[0][0], None, State.WHOLE, sha256_of(chain[0][0].model))
    ]


def test_an_altered_parent_is_said_and_the_chain_goes_on(chain):
    (first, _), (second, _), (third, _) = chain
    network(5).save(second.model)
    found = trace(third)
    assert [one.state for one in found] == [State.WHOLE, State.ALTERED, State.WHOLE]
    assert [one.run for one in found] == [first, second, third]


def test_a_missing_parent_is_said_and_its_run_still_speaks(chain):
    (first, _), (second, _), (third, _) = chain
    second.model.unlink()
    found = trace(third)
    assert [one.state for one in found] == [State.WHOLE, State.MISSING, State.WHOLE]
    assert standing(found[1]) is None
    shutil.rmtree(first.folder)
    found = trace(third)
    assert [(one.state, one.run) for one in found] == [
        (State.MISSING, None),
        (State.MISSING, second),
        (State.WHOLE, third),
    ]


def test_a_run_made_again_under_its_name_does_not_go_round_for_ever(chain, options, tmp_path):
    (first, _), _, (third, _) = chain
    circular = Derivation("distil", {}, str(third.model.resolve()), sha256_of(third.model), {})
    first.derivation.write_text(json.dumps(asdict(circular)))
    assert [one.run.name for one in trace(third)] == ["first", "prune", "factorize"]


def test_a_file_of_no_run_is_an_ancestor_too(options, tmp_path):
    given = tmp_path / "given.keras"
    network(3).save(given)
    derivation = Derivation("prune", {}, str(given), sha256_of(given), {})
    run = derive_run(given, options, derivation, network(2), "child", tmp_path / "runs")
    with pytest.raises(RunError, match="child: no model yet"):
        trace(run)
    finish_without_training(run)
    assert trace(run)[0] == Ancestor(given, None, None, State.WHOLE, sha256_of(given))


def test_size_and_work_are_those_of_the_file(chain):
    (ancestor, *_, last) = trace(chain[2][0])
    held = standing(last)
    # One convolution of 3 x 3 to 15 x 31 positions, a norm, and two logits.
    assert held.cost.total == 2 * 10 + 4 * 2 + 2 * 2 + 2
    assert held.cost.macs == 15 * 31 * 9 * 2 + 2 * 2
    assert held.file_bytes == last.model.stat().st_size
    assert standing(ancestor).cost.total == 6 * 10 + 4 * 6 + 6 * 2 + 2
    assert held.accuracy == {"validation": None, "test": None}


def evaluation(accuracy, digest):
    return json.dumps({"model_sha256": digest, "figures": {"accuracy": {"value": accuracy}}})


def test_accuracy_comes_from_evaluations_of_this_very_model(chain):
    run = chain[2][0]
    digest = sha256_of(run.model)
    (run.folder / "evaluation-test.json").write_text(evaluation(0.75, digest))
    (run.folder / "evaluation-validation.json").write_text(evaluation(0.5, "0" * 64))
    held = standing(trace(run)[-1])
    assert held.accuracy == {"validation": None, "test": Accuracy(0.75, "evaluation-test.json")}
    (run.folder / "evaluation-test.json").write_text("{")
    assert read_accuracy(run.folder, "test", digest) is None


def test_without_an_evaluation_training_tells_the_validation_accuracy(chain):
    run = chain[2][0]
    row = EpochRow(1, 1e-3, 0.7, 0.5, 0.6, 0.25, 1.0)
    write_history([row, replace(row, epoch=2, validation_accuracy=0.5)], run.history)
    run.outcome.write_text(json.dumps(asdict(Outcome(2, 2, 0.6, "epochs"))))
    assert standing(trace(run)[-1]).accuracy["validation"] == Accuracy(0.5, "history.csv")
    (run.folder / "evaluation-validation.json").write_text(evaluation(0.75, sha256_of(run.model)))
    assert standing(trace(run)[-1]).accuracy["validation"] == Accuracy(0.75, "evaluation-validation.json")
