"""Where a figure was measured."""
from __future__ import annotations

import os
import platform
from typing import Any


def meminfo(key: str) -> int:
    """A line of /proc/meminfo, in bytes where it has a unit."""
    with open("/proc/meminfo", encoding="ascii") as file:
        for line in file:
            name, _, rest = line.partition(":")
            if name == key:
                words = rest.split()
                return int(words[0]) * (1024 if len(words) > 1 else 1)
    return 0


def cpu() -> str:
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        for line in file:
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()


def cores() -> list[int]:
    return sorted(os.sched_getaffinity(0))


def this_machine() -> dict[str, Any]:
    return {"cpu": cpu(), "cores": len(cores()), "memory": meminfo("MemTotal"),
            "kernel": f"{platform.system()} {platform.release()}"}


def text(machine: dict[str, Any]) -> str:
    gib = machine["memory"] / (1 << 30)
    return (f"{machine['cpu']}, {machine['cores']} core{'s' if machine['cores'] != 1 else ''}, "
            f"{gib:.0f} GiB, {machine['kernel']}")
