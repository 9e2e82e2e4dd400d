"""What a board's sensors say: temperatures, throttling, clocks, power and energy, from sysfs without privileges.

Where a sensor lies and in which unit it speaks is documented by the kernel: `driver-api/thermal/sysfs-api` (zones and
cooling devices), `admin-guide/pm/cpufreq`, `hwmon/ina3221`, `power/powercap/powercap` (RAPL), and for the Raspberry Pi
by `drivers/firmware/raspberrypi.c` of its kernel, which prints the firmware's GET_THROTTLED word in hexadecimal.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

SYSFS = Path("/sys")
"""Where Linux shows its devices."""

_FIRMWARE_BITS = ("under-voltage", "clock capped", "throttled", "soft temperature limit")
# The lower half of the word is now, the upper half since the board was switched on.
_SINCE_BOOT = 16

# Cooling devices that take speed away; the others are fans.
_SLOWING = ("cpufreq", "processor")


@dataclass(frozen=True)
class Reading:
    """What the sensors said at one moment; what a machine does not have is empty.

    Attributes:
        seconds: When, on the clock of `time.monotonic`.
        temperatures_c: Degrees Celsius of each thermal zone.
        clocks_mhz: Clock of each group of cores that is clocked together.
        governors: What decides on each of these clocks.
        throttling: What holds the processor back now, in words.
        throttled_since_boot: What the firmware says has held it back since the board was switched on.
        power_w: Watts of each rail.
        energy_j: Joules of each counted domain since these sensors were opened.
    """

    seconds: float
    temperatures_c: Mapping[str, float]
    clocks_mhz: Mapping[str, float]
    governors: Mapping[str, str]
    throttling: tuple[str, ...]
    throttled_since_boot: tuple[str, ...]
    power_w: Mapping[str, float]
    energy_j: Mapping[str, float]

    def __bool__(self) -> bool:
        """Whether there is any sensor."""
        found = (self.temperatures_c, self.clocks_mhz, self.throttling, self.throttled_since_boot)
        return any((*found, self.power_w, self.energy_j))


class Sensors:
    """The sensors of this machine. A sensor that cannot be read is left out, as one that is not there."""

    def __init__(self, root: Path = SYSFS) -> None:
        """Finds them.

        Args:
            root: The sysfs tree.
        """
        thermal = root / "class/thermal"
        self._zones = _named(sorted(thermal.glob("thermal_zone*")), "type")
        self._cooling = {
            name: folder
            for name, folder in _named(sorted(thermal.glob("cooling_device*")), "type").items()
            if any(word in name.lower() for word in _SLOWING)
        }
        self._clocks = {path.name: path for path in sorted((root / "devices/system/cpu/cpufreq").glob("policy*"))}
        self._rails = dict(_rails(root))
        self._counters = {name: _Counter(folder) for name, folder in _domains(root / "class/powercap").items()}
        self._firmware = next(iter(sorted(root.glob("devices/platform/soc*/soc*firmware/get_throttled"))), None)
        self._vcgencmd = shutil.which("vcgencmd") if self._firmware is None else None

    def read(self) -> Reading:
        """Reads all of them, now."""
        word = self._firmware_word()
        bits = [bit for bit in range(2 * _SINCE_BOOT) if word >> bit & 1]
        clocks = {name: _number(folder / "scaling_cur_freq") for name, folder in self._clocks.items()}
        governors = {name: _text(folder / "scaling_governor") for name, folder in self._clocks.items()}
        zones = {name: _number(folder / "temp") for name, folder in self._zones.items()}
        return Reading(
            seconds=time.monotonic(),
            temperatures_c={name: value / 1e3 for name, value in zones.items() if value is not None},
            clocks_mhz={name: value / 1e3 for name, value in clocks.items() if value is not None},
            governors={name: value for name, value in governors.items() if value},
            throttling=(*(_FIRMWARE_BITS[bit] for bit in bits if bit < len(_FIRMWARE_BITS)), *self._held_back()),
            throttled_since_boot=tuple(
                _FIRMWARE_BITS[bit - _SINCE_BOOT] for bit in bits if 0 <= bit - _SINCE_BOOT < len(_FIRMWARE_BITS)
            ),
            power_w={name: watts for name, rail in self._rails.items() if (watts := rail.watts()) is not None},
            energy_j={name: joules for name, one in self._counters.items() if (joules := one.joules()) is not None},
        )

    def _held_back(self) -> list[str]:
        states = {name: _number(folder / "cur_state") for name, folder in self._cooling.items()}
        return [f"{name} at state {state:.0f}" for name, state in states.items() if state]

    def _firmware_word(self) -> int:
        said = ""
        if self._firmware is not None:
            said = _text(self._firmware)
        elif self._vcgencmd is not None:
            try:
                done = subprocess.run(
                    [self._vcgencmd, "get_throttled"], capture_output=True, text=True, timeout=2, check=True
                )
                said = done.stdout.partition("=")[2].strip()
            except (OSError, subprocess.SubprocessError):
                self._vcgencmd = None
        try:
            return int(said, 16)
        except ValueError:
            return 0


class _Counter:
    """A counter of energy in microjoules that starts again at zero when it is full."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "energy_uj"
        self._range = _number(folder / "max_energy_range_uj") or 0.0
        self._last = _number(self._file)
        self._counted = 0.0

    def joules(self) -> float | None:
        now = _number(self._file)
        # Since 2020 kernels let only the superuser read it.
        if now is None or self._last is None:
            return None
        self._counted += now - self._last + (self._range if now < self._last else 0.0)
        self._last = now
        return self._counted / 1e6


@dataclass(frozen=True)
class _Rail:
    """Files of a voltage (mV) and a current (mA)."""

    voltage: Path
    current: Path

    def watts(self) -> float | None:
        volts, amperes = _number(self.voltage), _number(self.current)
        return None if volts is None or amperes is None else volts * amperes / 1e6


def _rails(root: Path) -> list[tuple[str, _Rail]]:
    """The rails of every INA3221, as Jetsons have them, by the label that the board's device tree gives."""
    found = []
    for monitor in sorted((root / "class/hwmon").glob("hwmon*")):
        if _text(monitor / "name") == "ina3221":
            for channel in (1, 2, 3):
                label = _text(monitor / f"in{channel}_label")
                rail = _Rail(monitor / f"in{channel}_input", monitor / f"curr{channel}_input")
                if label and rail.watts() is not None:
                    found.append((label, rail))
    return found


def _domains(powercap: Path) -> dict[str, Path]:
    """RAPL's domains; one within another is named after both, such as `package-0/dram`."""
    found = {}
    for folder in sorted(powercap.glob("intel-rapl:*")):
        name = _text(folder / "name")
        holder, _, part = folder.name.rpartition(":")
        if holder.count(":"):
            name = f"{_text(powercap / holder / 'name')}/{name}"
        if part and _number(folder / "energy_uj") is not None:
            found[name] = folder
    return found


def _named(folders: list[Path], file: str) -> dict[str, Path]:
    """Folders by what their file says; where two say the same, by the folder's own number as well."""
    names = [_text(folder / file) for folder in folders]
    return {
        name if names.count(name) == 1 else f"{name} {folder.name.strip('abcdefghijklmnopqrstuvwxyz_')}": folder
        for name, folder in zip(names, folders, strict=True)
        if name
    }


def _text(path: Path) -> str:
    # A zone that is switched off is there and gives an error when it is read.
    try:
        return path.read_text().strip("\0\n ")
    except (OSError, UnicodeDecodeError):
        return ""


def _number(path: Path) -> float | None:
    try:
        return float(_text(path))
    except ValueError:
        return None
