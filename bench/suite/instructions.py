"""What each end of a connection executes: bench/instructions.py, which counts."""
from __future__ import annotations

import sys

import valgrind

from .context import Context
from .processes import Children, Failed
from .result import Result, Row

TITLE = "Instructions"
TARGET = "bench/connection_path"
PATIENCE_S = 600


def run(context: Context, result: Result) -> None:
    rows = context.scratch / "instructions.json"
    log = context.scratch / "instructions.log"
    argv = [sys.executable, str(context.root / "bench" / "instructions.py"),
            str(context.build / TARGET), f"--rows={rows}", *(["--small"] if context.small else [])]
    context.say(" ".join(argv[1:]))
    with Children() as children:
        child = children.start("instructions", argv, log, cwd=context.scratch)
        status = child.wait(PATIENCE_S)
        if status == valgrind.NOT_HERE:
            result.rows.append(Row("instructions per connection",
                                   note=f"not run: {child.last_words()}"))
            return
        if status != 0:
            raise Failed(f"instructions: exit status {status}: {child.last_words()}")
    print(log.read_text(encoding="utf-8"))
    result.merge(rows)
