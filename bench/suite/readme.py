"""The README's section on performance, from build/report/*.json."""
from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any, Iterable

from . import limits, machine, page
from .result import number, with_unit

BEGIN = "<!-- performance: written by bench/run --readme -->"
END = "<!-- end of performance -->"


def cell(text: str) -> str:
    return text.replace("|", "\\|")


def line(report: dict[str, Any], row: dict[str, Any]) -> str:
    unit = row["unit"]
    other = ""
    if row["alternative"]:
        other = f"{row['alternative']}: {with_unit(row['alternative_figure'], unit)}"
    target = ""
    if row["target"] is not None:
        target = ("≤ " if row["better"] == "lower" else "≥ ") + with_unit(row["target"], unit)
    ratio = f"{number(row['ratio'])} ×" if row["ratio"] else ""
    cells = (row["what"], target, with_unit(row["figure"], unit), other, ratio, row["verdict"],
             f"`{row['command'] or report['command']}`")
    return "| " + " | ".join(cell(text) for text in cells) + " |"


def section(reports: list[dict[str, Any]]) -> str:
    machines = sorted({machine.text(report["machine"]) for report in reports})
    days = sorted({report["date"] for report in reports})
    lines = ["", textwrap.fill(cell(f"**{page.headline(reports)}.** {page.beside(reports)}. "
                                    f"{page.tally(reports)}."), 100, break_on_hyphens=False), "",
             f"{'; '.join(machines)}; {' to '.join(sorted({days[0], days[-1]}))}; "
             "`bench/run --all`, which",
             "writes `build/report/index.html` with all of this, plots, and what each row leaves "
             "out. The",
             "machine is shared: its neighbours move every figure, so that a ratio says more than "
             "a figure.", "",
             "| what | target | salut | alternative | ratio | verdict | command |",
             "| --- | --- | --- | --- | --- | --- | --- |"]
    lines += [line(report, row) for report in reports for row in report["rows"]]
    missed = limits.missed(reports)
    if missed:
        lines += ["", "Where a budget is missed, what was tried and what the limit is:", ""]
        lines += [textwrap.fill(f"- {text}", 100, subsequent_indent="  ") for text in missed]
    return "\n".join(lines) + "\n\n"


def rewrite(readme: Path, folder: Path, names: Iterable[str]) -> None:
    reports = page.load(folder, names)
    if not reports:
        raise SystemExit("salut: nothing was measured yet: bench/run --all")
    text = readme.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"salut: README.md has no '{BEGIN}' and '{END}' after it")
    readme.write_text(before + BEGIN + "\n" + section(reports) + END + after, encoding="utf-8")
    print("README.md: section on performance written")
