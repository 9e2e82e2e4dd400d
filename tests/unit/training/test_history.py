"""`history.csv` is read as it was written."""

import pytest

from celestialkeras.errors import RunError
from celestialkeras.training.history import EpochRow, read_history, write_history


def test_rows_come_back_as_they_were(tmp_path):
    rows = (
        EpochRow(1, 1e-3, 0.1 + 0.2, 0.5, 0.69, 2 / 3, 12.345),
        EpochRow(2, 1e-5, 0.25, 1.0, None, None, 7.0),
    )
    write_history(rows, tmp_path / "history.csv")
    assert read_history(tmp_path / "history.csv") == rows
    write_history((), tmp_path / "history.csv")
    assert read_history(tmp_path / "history.csv") == ()


def test_what_is_no_history_is_refused(tmp_path):
    path = tmp_path / "history.csv"
    with pytest.raises(RunError, match=r"history\.csv: cannot be read as a history"):
        read_history(path)
    path.write_text("epoch,loss\n1,0.5\n")
    with pytest.raises(RunError, match=r"cannot be read as a history \('learning_rate'\)"):
        read_history(path)
