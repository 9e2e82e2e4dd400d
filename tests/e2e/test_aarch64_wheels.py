"""Whether the bare install can be had on a board: wheels for 64-bit Arm, and a LiteRT that is new enough."""

from __future__ import annotations

import pytest

from wheel_check import check_wheels

WHEEL = "{}-cp310-cp310-manylinux_2_27_aarch64.whl"


@pytest.mark.slow
@pytest.mark.parametrize("version", check_wheels.VERSIONS)
def test_every_package_has_a_wheel(version: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert check_wheels.main([version]) == 0
    printed = capsys.readouterr().out
    assert "ai_edge_litert-2." in printed
    assert "numpy-" in printed


def test_an_old_litert_is_no_success(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    found = {"ai-edge-litert": WHEEL.format("ai_edge_litert-1.4.0"), "click": "click-8.1-py3-none-any.whl"}
    monkeypatch.setattr(check_wheels, "resolve", lambda version, python: found)
    assert check_wheels.main(["3.10"]) == 1
    assert "LiteRT is older than 2.1: ai_edge_litert-1.4.0" in capsys.readouterr().out
    found["ai-edge-litert"] = WHEEL.format("ai_edge_litert-2.1.0")
    assert check_wheels.main(["3.10"]) == 0
    assert "2 packages, 1 of them for aarch64" in capsys.readouterr().out


def test_a_missing_wheel_is_no_success_and_the_others_are_tried(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def resolve(version: str, python: str) -> dict[str, str]:
        if version == "3.10":
            raise RuntimeError("No matching distribution found for astropy")
        return {"ai-edge-litert": WHEEL.format("ai_edge_litert-2.3.0")}

    monkeypatch.setattr(check_wheels, "resolve", resolve)
    assert check_wheels.main(["3.10", "3.11"]) == 1
    printed = capsys.readouterr().out
    assert "Python 3.10: No matching distribution found for astropy" in printed
    assert "Python 3.11: 1 packages" in printed
