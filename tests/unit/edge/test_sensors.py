"""Sensors on recorded sysfs trees, and the energy that their readings add up to."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from celestial_edge.device import sensors
from celestial_edge.device.bench_report import SensorLog
from celestial_edge.device.energy import Energy, energy_between
from celestial_edge.device.sensor_table import sensor_rows
from celestial_edge.device.sensors import Reading, Sensors
from sysfs_trees import intel, jetson, raspberry_pi, write_tree


def test_a_raspberry_pi_tells_temperature_clock_and_what_the_firmware_holds_back(tmp_path: Path) -> None:
    reading = Sensors(raspberry_pi(tmp_path)).read()
    assert reading
    assert reading.temperatures_c == {"cpu-thermal": 48.199}
    assert reading.clocks_mhz == {"policy0": 1500.0}
    assert reading.governors == {"policy0": "ondemand"}
    assert reading.throttling == ("under-voltage", "throttled"), "a fan that turns holds nothing back"
    assert reading.throttled_since_boot == ("under-voltage", "throttled")
    assert reading.power_w == {}
    assert reading.energy_j == {}


def test_the_newer_boards_folder_of_the_firmware_is_found(tmp_path: Path) -> None:
    tree = write_tree(tmp_path, {"devices/platform/soc@107c000000/soc@107c000000:firmware/get_throttled": "80002"})
    reading = Sensors(tree).read()
    assert reading.throttling == ("clock capped",)
    assert reading.throttled_since_boot == ("soft temperature limit",)


def test_vcgencmd_is_asked_where_the_firmware_has_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = tmp_path / "bin" / "vcgencmd"
    tool.parent.mkdir()
    tool.write_text('#!/bin/sh\n[ "$1" = get_throttled ] && echo throttled=0x20000\n')
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tool.parent), prepend=":")
    assert Sensors(tmp_path / "sys").read().throttled_since_boot == ("clock capped",)
    tool.write_text("#!/bin/sh\nexit 1\n")
    assert not Sensors(tmp_path / "sys").read()


def test_a_jetson_tells_rails_and_cooling_and_leaves_out_what_cannot_be_read(tmp_path: Path) -> None:
    reading = Sensors(jetson(tmp_path)).read()
    assert reading.temperatures_c == {"cpu-thermal": 51.25, "soc-thermal 2": 49.0, "soc-thermal 3": 49.5}
    assert reading.power_w == {"VDD_IN": 6.0, "VDD_CPU_GPU_CV": 1.248, "VDD_SOC": 1.5}
    assert reading.clocks_mhz == {"policy0": 1510.4, "policy4": 729.6}
    assert reading.throttling == ("cpufreq-cpu0 at state 2",)


def test_rapl_counts_from_when_it_was_opened_past_the_end_of_the_counter(tmp_path: Path) -> None:
    found = Sensors(intel(tmp_path))
    first = found.read()
    assert first.energy_j == {"package-0": 0.0, "package-0/core": 0.0, "package-0/dram": 0.0}
    assert first.throttling == ()
    for name, value in (("0", 671150), ("0:0", 1500000), ("0:1", 4000000)):
        (tmp_path / f"class/powercap/intel-rapl:{name}/energy_uj").write_text(f"{value}\n")
    last = found.read()
    assert last.energy_j == pytest.approx({"package-0": 1.0, "package-0/core": 0.5, "package-0/dram": 2.0})
    energy = energy_between([first, last])
    assert energy is not None
    assert energy.source == "package-0 + package-0/dram", "cores lie within their package"
    assert energy.joules == pytest.approx(3.0)


def test_a_counter_that_only_the_superuser_reads_is_absent(tmp_path: Path) -> None:
    intel(tmp_path)
    for domain in ("0", "0:0", "0:1"):
        (tmp_path / f"class/powercap/intel-rapl:{domain}/energy_uj").unlink()
    assert not Sensors(tmp_path).read()


def test_a_machine_without_sensors_says_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sensors.shutil, "which", lambda name: None)
    reading = Sensors(tmp_path).read()
    assert not reading
    assert energy_between([reading, reading]) is None


EMPTY = Reading(0.0, {}, {}, {}, (), (), {}, {})


def test_power_is_added_up_over_time() -> None:
    readings = [replace(EMPTY, seconds=t, power_w={"VDD_SOC": 9.0, "VDD_IN": w}) for t, w in ((0, 4), (1, 6), (3, 6))]
    assert energy_between(readings) == Energy(5.0 + 12.0, "VDD_IN")
    assert energy_between(readings[:1]) is None
    # Of rails that feed parts only, nobody knows what the whole takes.
    assert energy_between([replace(one, power_w={"VDD_SOC": 9.0}) for one in readings]) is None


def test_the_platform_goes_before_its_packages() -> None:
    ends = [
        replace(EMPTY, energy_j={"package-0": 0.0, "psys": 1.0}),
        replace(EMPTY, energy_j={"package-0": 5, "psys": 9}),
    ]
    assert energy_between(ends) == Energy(8.0, "psys")


def test_rows_show_before_during_and_after() -> None:
    def reading(temperature: float, throttling: tuple[str, ...] = ()) -> Reading:
        governors = {"policy0": "ondemand"}
        return replace(EMPTY, temperatures_c={"cpu": temperature}, governors=governors, throttling=throttling)

    log = SensorLog(
        reading(40), (reading(50), reading(70, ("throttled",)), reading(60, ("throttled",))), reading(55), None
    )
    rows = {row["sensor"]: list(row.values())[1:] for row in sensor_rows(log)}
    assert rows["cpu, °C"] == ["40.0", "50.0, 60.0, 70.0", "55.0"]
    assert rows["policy0, governor"] == ["ondemand", "ondemand", "ondemand"]
    assert rows["throttling"] == ["none", "throttled", "none"]
    calm = SensorLog(reading(40), (), reading(41), None)
    assert [row["sensor"] for row in sensor_rows(calm)] == ["cpu, °C", "policy0, governor"]
