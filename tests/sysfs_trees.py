"""Small sysfs trees as three kinds of machine show them, written from their documentation.

Sources: `Documentation/driver-api/thermal/sysfs-api.rst`, `admin-guide/pm/cpufreq.rst`, `hwmon/ina3221.rst` and
`power/powercap/powercap.rst` of the Linux kernel; `drivers/firmware/raspberrypi.c` of the Raspberry Pi's kernel for
`get_throttled`; NVIDIA's "Jetson Linux Developer Guide", "Jetson Orin Nano Series ...", for the labels of the rails.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


def write_tree(root: Path, files: Mapping[str, str]) -> Path:
    """Writes files by their path; each ends with a line feed, as the kernel's do."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{content}\n")
    return root


def raspberry_pi(root: Path, throttled: str = "50005") -> Path:
    """A Raspberry Pi 4 that is, and was, under-voltage and throttled."""
    return write_tree(
        root,
        {
            "class/thermal/thermal_zone0/type": "cpu-thermal",
            "class/thermal/thermal_zone0/temp": "48199",
            "class/thermal/cooling_device0/type": "gpio-fan",
            "class/thermal/cooling_device0/cur_state": "1",
            "class/hwmon/hwmon0/name": "cpu_thermal",
            "devices/system/cpu/cpufreq/policy0/scaling_cur_freq": "1500000",
            "devices/system/cpu/cpufreq/policy0/scaling_governor": "ondemand",
            "devices/platform/soc/soc:firmware/get_throttled": throttled,
        },
    )


def jetson(root: Path) -> Path:
    """A Jetson Orin Nano: three rails, two zones of one type, and one that is switched off and cannot be read."""
    write_tree(
        root,
        {
            "class/thermal/thermal_zone0/type": "cpu-thermal",
            "class/thermal/thermal_zone0/temp": "51250",
            "class/thermal/thermal_zone1/type": "gpu-thermal",
            "class/thermal/thermal_zone2/type": "soc-thermal",
            "class/thermal/thermal_zone2/temp": "49000",
            "class/thermal/thermal_zone3/type": "soc-thermal",
            "class/thermal/thermal_zone3/temp": "49500",
            "class/thermal/cooling_device0/type": "cpufreq-cpu0",
            "class/thermal/cooling_device0/cur_state": "2",
            "class/thermal/cooling_device1/type": "pwm-fan",
            "class/thermal/cooling_device1/cur_state": "3",
            "class/hwmon/hwmon0/name": "tmp451",
            "class/hwmon/hwmon1/name": "ina3221",
            "class/hwmon/hwmon1/in1_label": "VDD_IN",
            "class/hwmon/hwmon1/in1_input": "5000",
            "class/hwmon/hwmon1/curr1_input": "1200",
            "class/hwmon/hwmon1/in2_label": "VDD_CPU_GPU_CV",
            "class/hwmon/hwmon1/in2_input": "4992",
            "class/hwmon/hwmon1/curr2_input": "250",
            "class/hwmon/hwmon1/in3_label": "VDD_SOC",
            "class/hwmon/hwmon1/in3_input": "5000",
            "class/hwmon/hwmon1/curr3_input": "300",
            "class/hwmon/hwmon1/in7_label": "sum of shunt voltages",
            "devices/system/cpu/cpufreq/policy0/scaling_cur_freq": "1510400",
            "devices/system/cpu/cpufreq/policy0/scaling_governor": "schedutil",
            "devices/system/cpu/cpufreq/policy4/scaling_cur_freq": "729600",
            "devices/system/cpu/cpufreq/policy4/scaling_governor": "schedutil",
        },
    )
    (root / "class/thermal/thermal_zone1/temp").mkdir()
    return root


def intel(root: Path) -> Path:
    """A server of one package, whose counter is about to start again; the same counter shows by a second way, too."""
    return write_tree(
        root,
        {
            "class/thermal/cooling_device0/type": "Processor",
            "class/thermal/cooling_device0/cur_state": "0",
            "class/powercap/intel-rapl/enabled": "1",
            "class/powercap/intel-rapl:0/name": "package-0",
            "class/powercap/intel-rapl:0/energy_uj": "262143000000",
            "class/powercap/intel-rapl:0/max_energy_range_uj": "262143328850",
            "class/powercap/intel-rapl:0:0/name": "core",
            "class/powercap/intel-rapl:0:0/energy_uj": "1000000",
            "class/powercap/intel-rapl:0:0/max_energy_range_uj": "262143328850",
            "class/powercap/intel-rapl:0:1/name": "dram",
            "class/powercap/intel-rapl:0:1/energy_uj": "2000000",
            "class/powercap/intel-rapl:0:1/max_energy_range_uj": "65712999613",
            "class/powercap/intel-rapl-mmio:0/name": "package-0",
            "class/powercap/intel-rapl-mmio:0/energy_uj": "7",
        },
    )
