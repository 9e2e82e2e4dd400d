import pytest
from tiny_runs import write_dataset

from celestialkeras.errors import RunError
from celestialkeras.lcid.dataset import open_dataset
from celestialkeras.training.schedule import class_weights, learning_rate_schedule, steps_an_epoch


@pytest.mark.parametrize(
    ("frames", "batch_size", "steps"),
    [(16, 8, 2), (18, 8, 3), (17, 8, 2), (1, 8, 1), (7, 8, 1), (5, 1, 5), (9, 8, 1)],
)
def test_a_last_batch_of_one_frame_is_left_out_when_there_are_others(frames, batch_size, steps):
    assert steps_an_epoch(frames, batch_size) == steps


def test_rate_rises_over_a_tenth_and_falls_to_a_hundredth():
    rate = learning_rate_schedule(1e-3, epochs=20, steps=10)
    curve = [float(rate(step)) for step in range(201)]
    assert curve[0] == pytest.approx(1e-4)
    assert max(curve) == curve[10] == pytest.approx(1e-3)
    assert curve[:11] == sorted(curve[:11])
    assert curve[10:] == sorted(curve[10:], reverse=True)
    assert curve[105] == pytest.approx((1e-3 + 1e-5) / 2, rel=1e-3)
    assert curve[200] == pytest.approx(1e-5)


def test_rise_takes_a_tenth_of_a_short_run_and_none_of_the_shortest():
    assert float(learning_rate_schedule(1e-3, epochs=2, steps=50)(10)) == pytest.approx(1e-3)
    assert float(learning_rate_schedule(1e-3, epochs=1, steps=1)(0)) == pytest.approx(1e-3)


def test_class_weights_even_out_the_training_frames(dataset_folder):
    galaxy, nsc = class_weights(open_dataset(dataset_folder))
    assert (galaxy, nsc) == (11 / (2 * 6), 11 / (2 * 5))
    assert 6 * galaxy + 5 * nsc == pytest.approx(11)


def test_a_class_without_training_frames_is_refused(tmp_path):
    dataset = open_dataset(write_dataset(tmp_path, {"train": (3, 0), "validation": (1, 1)}))
    with pytest.raises(RunError, match=r"no frames of class 'NSC'.* Received: {'galaxy': 3"):
        class_weights(dataset)
