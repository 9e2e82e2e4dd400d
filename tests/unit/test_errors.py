from __future__ import annotations

import pickle

from celestialkeras.errors import MissingExtraError


def test_missing_extra_says_what_to_install_and_crosses_process_borders() -> None:
    error = pickle.loads(pickle.dumps(MissingExtraError("train", "training")))
    assert str(error) == "training needs the extra `train`: pip install 'celestialkeras[train]'"
    assert error.extra == "train"
