import pytest
from tiny_runs import register_tiny_model, write_dataset

from celestialkeras.models import registry
from celestialkeras.training.options import TrainOptions


@pytest.fixture(scope="session")
def dataset_folder(tmp_path_factory):
    return write_dataset(tmp_path_factory.mktemp("data"), {"train": (6, 5), "validation": (2, 2)})


@pytest.fixture(scope="session")
def tiny_model():
    yield register_tiny_model()
    # Other tests go through every registered network.
    del registry._REGISTRY["tiny"]


@pytest.fixture(scope="session")
def options(dataset_folder, tiny_model):
    """The smallest run: 11 training frames, a tiny model, two epochs."""
    return TrainOptions(data=dataset_folder, model=tiny_model, epochs=2, batch_size=5, learning_rate=0.01)
