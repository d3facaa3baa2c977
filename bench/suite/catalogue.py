"""The benchmarks by name, in the order of the report."""
from __future__ import annotations

from types import ModuleType
from typing import Callable

from . import builds, connections, instructions, latency, memory, programs, scale, sockets
from .context import Context
from .result import Result

MODULES: dict[str, ModuleType] = {"connections": connections, "sockets": sockets,
                                  "latency": latency, "scale": scale, "memory": memory,
                                  "builds": builds, "instructions": instructions}
NAMES = ("connections", "sockets", "time_wait", "flow_table", "timer_wheel", "transition", "path",
         "mailbox", "hostile", "latency", "scale", "memory", "instructions", "builds")


def title_of(name: str) -> str:
    return MODULES[name].TITLE if name in MODULES else programs.PROGRAMS[name].title


def runner(name: str) -> Callable[[Context, Result], None]:
    if name in MODULES:
        return MODULES[name].run
    return lambda context, result: programs.run(context, name, result)


def targets_of(name: str) -> list[str]:
    """What ninja has to build for it, beside salut and the kernel's side."""
    if name in ("builds", "instructions"):
        return [builds.TARGET]
    return [f"bench/{programs.PROGRAMS[name].target}"] if name in programs.PROGRAMS else []
