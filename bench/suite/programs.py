"""The C++ programs of bench/: NAME, what runs, and how large. Each writes --rows=FILE."""
from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Sequence

from . import machine
from .context import Context
from .processes import Children, Failed
from .result import Result, Row

PATIENCE_S = 400
NOT_HERE = 77


@dataclass(frozen=True)
class Program:
    title: str
    target: str  # bench/TARGET
    runs: tuple[tuple[str, ...], ...]  # flags of each run, full size
    small: tuple[tuple[str, ...], ...]
    script: str = ""  # bench/SCRIPT TARGET --rows=FILE, full size only: more rows of the same
    bytes: int = 0    # of memory, full size
    table: bool = False  # what it prints is shown


PROGRAMS = {
    "time_wait": Program("TIME_WAIT", "time_wait", (("--sockets=100000000",),),
                         (("--sockets=100000",),), bytes=5 << 30),
    "flow_table": Program("Flow table", "flow_table",
                          (("--flows=1000000",), ("--flows=10000000",)), (("--flows=10000",),),
                          bytes=5 << 30),
    "timer_wheel": Program("Timer wheel", "timer_wheel",
                           (("--timers=1000000",), ("--timers=10000000",)),
                           (("--timers=10000",),), bytes=4 << 30),
    "transition": Program("Transition", "transition", ((),), ((),), script="cachegrind.py"),
    "path": Program("The path, stage by stage", "stages", (("--flows=10000000",),),
                    (("--flows=10000", "--bursts=200"),), script="suite/floor.py", bytes=3 << 30),
    "hostile": Program("One hostile host", "hostile", ((),),
                       (("--calm-ms=20", "--attack-ms=40", "--clock=thread"),),
                       table=True),
    "mailbox": Program("Mailboxes", "mailbox", (("--frames=5000000",),), (("--frames=100000",),)),
}


def run(context: Context, name: str, result: Result) -> None:
    program = PROGRAMS[name]
    path = context.build / "bench" / program.target
    if not path.exists():
        raise Failed(f"no program {path.relative_to(context.root)}: is libbenchmark-dev there?")
    if not context.small and machine.meminfo("MemAvailable") < program.bytes:
        raise Failed(f"needs {program.bytes >> 30} GiB of memory")
    for number, flags in enumerate(program.small if context.small else program.runs):
        start(context, [str(path), *flags], f"{name}-{number}", result)
        if program.table:
            print((context.scratch / f"{name}-{number}.log").read_text(encoding="utf-8"))
    if program.script and not context.small:
        script = context.root / "bench" / program.script
        start(context, [sys.executable, str(script), str(path)], f"{name}-script", result)


def start(context: Context, argv: Sequence[str], name: str, result: Result) -> None:
    rows = context.scratch / f"{name}.json"
    context.say(" ".join(argv).replace(f"{sys.executable} ", ""))
    with Children() as children:
        child = children.start(name, [*argv, f"--rows={rows}"], context.scratch / f"{name}.log",
                               cwd=context.scratch)
        status = child.wait(PATIENCE_S)
    if status == NOT_HERE:
        what = f"what {argv[1].rpartition('/')[2]} counts"
        result.rows.append(Row(what, note=f"not run: {child.last_words()}"))
        return
    if status != 0:
        raise Failed(f"{name}: exit status {status}: {child.last_words()}")
    if not rows.exists():
        raise Failed(f"{name}: wrote no rows: {child.last_words()}")
    result.merge(rows)
