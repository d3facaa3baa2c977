"""What link-time and profile-guided optimization gain, and what hardening costs: the path alone,
built four ways."""
from __future__ import annotations

import json
import subprocess
from pathlib import Path

import valgrind

from .context import Context
from .processes import Children, Failed
from .result import Result, Row

TITLE = "Ways to build"
TARGET = "bench/connection_path"
FILTER = "--benchmark_filter=bytes:0/bare_acks:0/ip6:0"
TURNS = "--turns=20000"
PATIENCE_S = 400
ROUNDS = 5
# By name: meson's options; what they are measured against comes first.
WAYS = {"as it comes": (), "b_lto=true": ("-Db_lto=true",), "b_pgo=use": ("-Db_pgo=generate",),
        "hardening=false": ("-Dhardening=false",)}


def run(context: Context, result: Result) -> None:
    if context.small:
        report = measured(context, context.build / TARGET, "--turns=2000")
        result.checksums.append(f"{report['connections']:.0f} connections in 2,000 turns")
        result.rows.append(Row("cycles per connection and side, as it comes", cycles(report),
                               "cycles", note="built once: the ways to build are a full run's"))
        return
    programs = {name: built(context, name, options) for name, options in WAYS.items()}
    best = {name: float("inf") for name in WAYS}
    for _ in range(ROUNDS):  # in turn: the machine's speed drifts
        for name, program in programs.items():
            best[name] = min(best[name], cycles(measured(context, program, TURNS)))
    plain = best["as it comes"]
    for name in list(WAYS)[1:]:
        result.rows.append(Row(
            f"cycles per connection and side, the path alone, meson -D{name}", best[name],
            "cycles", "lower", None, "as it comes", plain,
            note=f"two engines in one thread, five packets; best of {ROUNDS} rounds"))
    counted = {name: instructions(context, program) for name, program in programs.items()}
    if all(counted.values()):
        for name in list(WAYS)[1:]:
            result.rows.append(Row(
                f"instructions per connection, both sides, meson -D{name}", counted[name],
                "instructions", "lower", None, "as it comes", counted["as it comes"],
                note="cachegrind: the program with its pool and its wire, start-up taken off"))
    result.checksums.append("builds: " + ", ".join(WAYS))


def built(context: Context, name: str, options: tuple[str, ...]) -> Path:
    """In a directory that goes away; with a profile of opening, closing and small exchanges."""
    if not options:
        return context.build / TARGET
    where = context.scratch / name.partition("=")[0]
    call(context, "meson", "setup", str(where), str(context.root), "-Dpacketdrill=false", *options)
    call(context, "ninja", "-C", str(where), TARGET)
    if "-Db_pgo=generate" in options:
        call(context, str(where / TARGET), "--turns=20000", cwd=where)
        call(context, "meson", "configure", str(where), "-Db_pgo=use")
        call(context, "ninja", "-C", str(where), TARGET)
    return where / TARGET


def call(context: Context, *argv: str, cwd: Path | None = None) -> None:
    context.say(" ".join(argv))
    with Children() as children:
        child = children.start(Path(argv[0]).name, list(argv), context.scratch / "build.log",
                               cwd=cwd or context.scratch)
        if child.wait(PATIENCE_S) != 0:
            raise Failed(f"{argv[0]}: {child.last_words()}")


def measured(context: Context, program: Path, turns: str) -> dict[str, float]:
    done = subprocess.run([str(program), FILTER, turns, "--benchmark_format=json"],
                          capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    if done.returncode != 0:
        raise Failed(f"{program.name}: {done.stderr.strip()[-200:]}")
    report: dict[str, float] = json.loads(done.stdout)["benchmarks"][0]
    return report


def cycles(report: dict[str, float]) -> float:
    return (report["client_cycles"] + report["server_cycles"]) / 2


def instructions(context: Context, program: Path) -> float:
    """Per connection; 0 where valgrind is not there, or cannot run what was built."""
    totals: list[tuple[float, float]] = []
    if not valgrind.is_here():
        return 0
    for turns in ("2000", "12000"):
        try:
            printed, lines = valgrind.run(
                "cachegrind", ["--cache-sim=no"],
                [str(program), FILTER, f"--turns={turns}", "--benchmark_format=json"], PATIENCE_S)
        except valgrind.Broken:
            return 0
        report = json.loads(printed)["benchmarks"][0]
        totals.append((valgrind.totals(lines)["Ir"], report["connections"]))
    (few, fewer), (many, more) = totals
    return (many - few) / (more - fewer)
