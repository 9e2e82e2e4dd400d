"""What docs/jetson.md tells to type, as far as a machine without TensorRT can run it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from celestialkeras.evaluation.predictor import KerasPredictor
from celestialkeras.lcid.frames import read_frame
from celestialkeras.lcid.stretch import Stretch, bin_codes, encode
from small_artifacts import BINNING

pytest.importorskip("onnxruntime", reason="the page needs the extra `onnx`, which is not installed")
pytest.importorskip("tf2onnx", reason="the page needs the extra `onnx`, which is not installed")

PAGE = Path(__file__).parents[2] / "docs" / "jetson.md"


def test_the_lines_of_python_give_the_logits_of_keras(small_model: Any, uvis_raw: Path, tmp_path: Path) -> None:
    small_model.save(tmp_path / "model.keras")
    exported = [sys.executable, "-m", "celestial_cli.main", "export", "model.keras", "--onnx", "-o", "model.onnx"]
    subprocess.run(exported, capture_output=True, cwd=tmp_path, check=True)
    shutil.copy(uvis_raw, tmp_path / "iddt11fxq_raw.fits")
    (lines,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    done = subprocess.run([sys.executable, "-c", lines], capture_output=True, text=True, cwd=tmp_path, check=True)

    codes = bin_codes(encode(read_frame(uvis_raw, 1), Stretch()), BINNING)
    expected = KerasPredictor(small_model).logits(codes[np.newaxis])[0]
    printed = json.loads(done.stdout.replace("'", '"'))
    np.testing.assert_allclose([printed["galaxy"], printed["NSC"]], expected, atol=1e-5)
    stored = np.fromfile(tmp_path / "frame.bin", np.float32).reshape(codes.shape)
    np.testing.assert_array_equal(stored, codes / np.float32(255))
