import keras
import numpy as np
import pytest

from celestialkeras.errors import RunError
from celestialkeras.training.checkpoint import TrainingState, checkpoints, restore_checkpoint, save_checkpoint
from celestialkeras.training.history import EpochRow, write_history

ROWS = (EpochRow(1, 1e-3, 0.7, 0.5, 0.1 + 0.2, 0.25, 3.5), EpochRow(2, 1e-5, 0.6, 0.75, None, None, 3.25))


def variables(*values):
    return [keras.Variable(np.asarray(value)) for value in values]


def test_state_and_values_come_back_exactly(tmp_path):
    state = TrainingState(ROWS, best_epoch=1, best_loss=0.1 + 0.2)
    saved = variables(np.float32([[1 / 3, 2]]), np.int64(7))
    save_checkpoint(tmp_path, state, saved)
    fresh = variables(np.float32([[0, 0]]), np.int64(0))
    assert restore_checkpoint(tmp_path, fresh) == state
    assert all(np.array_equal(a.value.numpy(), b.value.numpy()) for a, b in zip(saved, fresh, strict=True))


def test_nothing_there_is_the_start(tmp_path):
    fresh = variables(np.float32([3.0]))
    assert restore_checkpoint(tmp_path / "none", fresh) == TrainingState()
    assert fresh[0].value.numpy() == [3.0]


def test_older_checkpoints_are_pruned_after_the_newer_is_written(tmp_path):
    for rows in (ROWS[:1], ROWS):
        save_checkpoint(tmp_path, TrainingState(rows), variables(np.float32(1)))
    assert [one.name for one in checkpoints(tmp_path)] == ["epoch-0002.npz"]
    assert [one.name for one in tmp_path.iterdir()] == ["epoch-0002.npz"]


def test_damaged_checkpoint_is_refused(tmp_path):
    save_checkpoint(tmp_path, TrainingState(ROWS), variables(np.float32([1, 2, 3])))
    (path,) = checkpoints(tmp_path)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(RunError, match=r"epoch-0002\.npz: cannot be read"):
        restore_checkpoint(tmp_path, variables(np.float32([1, 2, 3])))


@pytest.mark.parametrize("other", [(np.float32([1, 2]),), (np.float32([1, 2, 3]), np.float32(1))])
def test_checkpoint_of_another_model_is_refused(tmp_path, other):
    save_checkpoint(tmp_path, TrainingState(ROWS), variables(np.float32([1, 2, 3])))
    with pytest.raises(RunError, match="its weights are not those of this run's model"):
        restore_checkpoint(tmp_path, variables(*other))


def test_history_is_written_in_full_with_gaps_for_what_is_missing(tmp_path):
    write_history(ROWS, tmp_path / "history.csv")
    assert (tmp_path / "history.csv").read_text() == (
        "epoch,learning_rate,loss,accuracy,validation_loss,validation_accuracy,seconds\n"
        "1,0.001,0.7,0.5,0.30000000000000004,0.25,3.5\n"
        "2,1e-05,0.6,0.75,,,3.25\n"
    )
