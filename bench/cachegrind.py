#!/usr/bin/python3
"""Instructions and mispredictions per segment of bench/transition, from cachegrind.

    bench/cachegrind.py build/bench/transition                  a table
    bench/cachegrind.py build/bench/transition --rows=FILE      rows for the report
    bench/cachegrind.py build/bench/transition --budget=0.1     status 1 if ours has more

Cachegrind simulates, so that its counts are the same on every machine and in every run. Each
contender runs twice, with one pass over its segments and with five; the difference holds four
passes and nothing of the start. Status 77: there is no valgrind here.
"""
import json
import signal
import sys

sys.dont_write_bytecode = True
import valgrind  # noqa: E402

SEGMENTS = 16384
PASSES = (1, 5)
MIXES = {"fast": "opening and closing in random states", "cells": "any event in any state"}
CONTENDERS = ("table", "switch")
Counts = dict[str, int]


def counts_of(program: str, only: str, passes: int) -> Counts:
    _, lines = valgrind.run("cachegrind", ["--branch-sim=yes", "--cache-sim=no"],
                            [program, "--only=" + only, "--segments=%d" % SEGMENTS,
                             "--passes=%d" % passes])
    return valgrind.totals(lines)


def per_segment(program: str, only: str) -> tuple[float, float]:
    """Instructions and mispredictions, conditional and indirect ones."""
    few, many = (counts_of(program, only, passes) for passes in PASSES)
    segments = SEGMENTS * (PASSES[1] - PASSES[0])
    missed = sum(many[event] - few[event] for event in ("Bcm", "Bim"))
    return (many["Ir"] - few["Ir"]) / segments, missed / segments


def rows_of(figures: dict[str, tuple[float, float]], budget: float) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for mix, words in MIXES.items():
        for which, unit in enumerate(("instructions", "mispredictions")):
            ours, other = (figures["%s/%s" % (mix, name)][which] for name in CONTENDERS)
            rows.append({
                "what": "%s per segment, %s" % (unit, words), "figure": round(ours, 4),
                "unit": unit, "better": "lower", "target": budget if which == 1 else None,
                "alternative": "switch", "alternative_figure": round(other, 4),
                "ratio": round(other / ours, 2) if ours > 0 else None,
                "note": "cachegrind, the same on every machine"})
    return rows


def main() -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # the folder goes
    program = sys.argv[1]
    options = dict(word.lstrip("-").split("=", 1) for word in sys.argv[2:])
    if not valgrind.is_here():
        print("needs valgrind")
        return valgrind.NOT_HERE
    figures = {only: per_segment(program, only)
               for only in ("%s/%s" % (mix, name) for mix in MIXES for name in CONTENDERS)}
    for only, (instructions, missed) in figures.items():
        print("%-13s %7.2f instructions %8.4f mispredictions" % (only, instructions, missed))
    budget = float(options.get("budget", "0.1"))
    if "rows" in options:
        checksum = " ".join("%s=%.2f/%.4f" % (only, *pair) for only, pair in figures.items())
        report = {"rows": rows_of(figures, budget), "plots": [], "notes": [checksum],
                  "checksum": "segments=%d" % SEGMENTS}
        with open(options["rows"], "w", encoding="utf-8") as file:
            json.dump(report, file, indent=2)
    over = [only for only, (_, missed) in figures.items()
            if only.endswith("/table") and missed > budget]
    for only in over:
        print("%s: more than %g mispredictions per segment" % (only, budget))
    return 1 if over and "budget" in options else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except valgrind.Broken as why:
        sys.exit(str(why))
