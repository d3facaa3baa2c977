"""The benchmarks of the budgets, and their report.

  bench/run NAME...           one or some, full size; build/report/NAME.json
  bench/run --all             all of them, under 20 minutes; and build/report/index.html
  bench/run --small NAME|--all  the same in seconds, to see that they work; build/report/small
  bench/run --page            build/report/index.html from what was measured
  bench/run --readme          the README's section on performance, from the same
  bench/run --names           the names
  --folder=DIR                not build/report
  bench/run [flags]           `salut bench`, as without a name
"""
from __future__ import annotations

import datetime
import json
import os
import sys
import time
import traceback
from pathlib import Path

from . import machine, page, processes, readme
from .catalogue import NAMES, runner, targets_of, title_of
from .context import Context, Scratch
from .result import Result, Row

ROOT = Path(__file__).resolve().parents[2]


def measure(name: str, small: bool, folder: Path) -> bool:
    """Writes folder/NAME.json; a benchmark that failed says so there, too."""
    began = time.monotonic()
    print(f"{name}", file=sys.stderr, flush=True)
    failed = ""
    tag = f"bench-{os.getpid()}"
    with Scratch(tag) as scratch:
        context = Context(ROOT, small, scratch, tag)
        result = Result()
        try:
            runner(name)(context, result)
        except Exception as why:  # pylint: disable=broad-except
            if not isinstance(why, (processes.Failed, processes.NotHere)):
                traceback.print_exc()
            failed = str(why) or type(why).__name__
            result.rows.append(Row(f"the rest of {name}", note=f"not run: {failed}"))
    seconds = time.monotonic() - began
    report = {"schema": "salut.report/1", "name": name, "title": title_of(name),
              "command": f"bench/run {'--small ' if small else ''}{name}",
              "date": datetime.date.today().isoformat(), "machine": machine.this_machine(),
              "seconds": round(seconds, 1), "size": "small" if small else "full",
              "failed": failed, **result.as_json()}
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    path.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    hand_over(folder, path)
    print(page.as_text(report), flush=True)
    return not failed


def hand_over(*paths: Path) -> None:
    """After `sudo bench/run` the tree's owner must still be able to write."""
    owner = ROOT.stat()
    if os.geteuid() == 0 and owner.st_uid != 0:
        for path in paths:
            os.chown(path, owner.st_uid, owner.st_gid)


def complain(text: str) -> int:
    print(f"salut: {text}", file=sys.stderr)
    return 2


def main(arguments: list[str]) -> int:
    processes.die_on_signals()
    small, everything, actions, names = False, False, [], []
    folder = ROOT / "build" / "report"
    for word in arguments:
        if word == "--small":
            small = True
        elif word == "--all":
            everything = True
        elif word in ("--page", "--readme", "--names", "--targets"):
            actions.append(word)
        elif word.startswith("--folder="):
            folder = Path(word.partition("=")[2]).resolve()
        elif word in NAMES:
            names.append(word)
        else:
            return complain(f"{word}: no such benchmark; want {', '.join(NAMES)}, or --all")
    names = list(NAMES) if everything else names
    if "--names" in actions:
        print("\n".join(NAMES))
        return 0
    if "--targets" in actions:  # of ninja, for bench/run
        print("\n".join(target for name in names for target in targets_of(name)))
        return 0
    if not names and not actions:
        return complain(f"--small: of what? want {', '.join(NAMES)}, or --all")
    began = time.monotonic()
    well = [measure(name, small, folder / "small" if small else folder) for name in names]
    if everything:
        print(f"{len(names)} benchmarks in {(time.monotonic() - began) / 60:.1f} minutes")
    if (names and not small) or "--page" in actions:
        path = page.write(folder, NAMES)
        hand_over(path)
        print(f"report: {path}")
    if "--readme" in actions:
        readme.rewrite(ROOT / "README.md", folder, NAMES)
    return 0 if all(well) else 1


sys.exit(main(sys.argv[1:]))
