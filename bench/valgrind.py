"""Runs a program under a tool of valgrind that counts: the same counts in every run."""
from __future__ import annotations

import os
import shutil
import subprocess
import tempfile

NOT_HERE = 77  # exit status of a script that cannot count here


class Broken(Exception):
    """The program failed, or valgrind did."""


def is_here() -> bool:
    return shutil.which("valgrind") is not None


def run(tool: str, options: list[str], command: list[str],
        patience_s: float | None = None) -> tuple[str, list[str]]:
    """What the program printed, and the lines of what the tool counted."""
    with tempfile.TemporaryDirectory(prefix=f"salut-{tool}-") as scratch:
        out = os.path.join(scratch, "out")
        try:
            done = subprocess.run(
                ["valgrind", f"--tool={tool}", f"--{tool}-out-file={out}", *options, *command],
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False,
                timeout=patience_s, env={**os.environ, "VALGRIND_OPTS": ""})
        except subprocess.TimeoutExpired:
            raise Broken(f"{tool}: not done in {patience_s:.0f} s") from None
        if done.returncode != 0:
            raise Broken(f"{done.stdout[-2000:]}{done.stderr[-2000:]}\n"
                         f"{tool}: status {done.returncode}")
        with open(out, encoding="utf-8", errors="replace") as file:
            return done.stdout, file.readlines()


def totals(lines: list[str]) -> dict[str, int]:
    """By the tool's names of the events (Ir, Bc, Bcm, Bi, Bim)."""
    events: list[str] = []
    counts: list[int] = []
    for line in lines:
        if line.startswith("events:"):
            events = line.split()[1:]
        elif line.startswith("summary:"):
            counts = [int(word) for word in line.split()[1:]]
    return dict(zip(events, counts))
