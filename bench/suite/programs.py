"""The C++ programs of bench/: NAME, what runs, and how large. Each writes --rows=FILE."""
from __future__ import annotations

from dataclasses import dataclass

from .context import Context
from .processes import Children, Failed
from .result import Result

PATIENCE_S = 400


@dataclass(frozen=True)
class Program:
    title: str
    target: str  # bench/TARGET
    runs: tuple[tuple[str, ...], ...]  # flags of each run, full size
    small: tuple[tuple[str, ...], ...]


PROGRAMS = {
    "flow_table": Program("Flow table", "flow_table",
                          (("--flows=1000000",), ("--flows=10000000",)), (("--flows=10000",),)),
    "timer_wheel": Program("Timer wheel", "timer_wheel",
                           (("--timers=1000000",), ("--timers=10000000",)),
                           (("--timers=10000",),)),
    "transition": Program("Transition", "transition", ((),), ((),)),
    "path": Program("The path, stage by stage", "stages", ((),), ((),)),
    "mailbox": Program("Mailboxes", "mailbox", ((),), ((),)),
    "time_wait": Program("TIME_WAIT", "time_wait", ((),), ((),)),
}


def run(context: Context, name: str, result: Result) -> None:
    program = PROGRAMS[name]
    path = context.build / "bench" / program.target
    if not path.exists():
        raise Failed(f"no program {path.relative_to(context.root)}: is libbenchmark-dev there?")
    for number, flags in enumerate(program.small if context.small else program.runs):
        rows = context.scratch / f"{name}-{number}.json"
        context.say(f"bench/{program.target} {' '.join(flags)}".rstrip())
        with Children() as children:
            child = children.start(program.target, [str(path), f"--rows={rows}", *flags],
                                   context.scratch / f"{name}-{number}.log", cwd=context.scratch)
            child.check(PATIENCE_S)
        if not rows.exists():
            raise Failed(f"bench/{program.target} wrote no rows: {child.last_words()}")
        result.merge(rows)
