"""Runs `salut bench` and `salut serve`, and reads what they report."""
from __future__ import annotations

import csv
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional, Sequence

from .context import Context
from .processes import Child, Children, Failed

SECOND = re.compile(r"^ *([\d.]+) s +([\d,]+) CPS +([\d,]+) open +([\d,]+) TIME_WAIT")
OPENED = re.compile(r"opened (\d+) in ([\d.]+) s, (\d+) per second")
TIMES_OUT = 420


@dataclass
class Second:
    at: float
    cps: int
    open: int
    time_wait: int


class Run:
    """One `salut bench` that ended well."""

    def __init__(self, child: Child, report: dict[str, Any], latencies: Path) -> None:
        self.report, self.text, self.peak = report, child.text(), child.peak
        self._latencies = latencies

    @property
    def cps(self) -> float:
        return self.report["cps"]

    def cycles(self, side: str) -> float:
        return self.report[side]["busy_cycles_per_connection"]

    @property
    def packets(self) -> float:
        return self.report["packets_per_connection"]

    @property
    def closed(self) -> int:
        return self.report["connections"]["closed"]

    @property
    def failed(self) -> int:
        return sum(self.report["connections"]["failed"].values())

    @property
    def retransmitted(self) -> int:
        """Of both ends, where both are in this process."""
        return sum(int(word.replace(",", ""))
                   for word in re.findall(r"^ +retransmitted +([\d,]+)", self.text, re.M))

    @property
    def dropped(self) -> int:
        sides = (self.report["client"], self.report["server"])
        return sum(sum(side["drops"].values()) for side in sides if side)

    @property
    def clean(self) -> bool:
        return self.failed == 0 and self.retransmitted == 0 and self.dropped == 0

    def handshake(self, percentile: str) -> float:
        return self.report["latency_us"]["handshake"][percentile]

    @property
    def opening_rate(self) -> float:
        match = OPENED.search(self.text)
        if not match:
            raise Failed("bench: no word of how fast it opened")
        return float(match.group(3))

    @property
    def seconds(self) -> list[Second]:
        found = []
        for line in self.text.splitlines():
            if match := SECOND.match(line):
                at, *counts = match.groups()
                found.append(Second(float(at), *(int(c.replace(",", "")) for c in counts)))
        return found

    def time_wait(self) -> int:
        """Sockets in TIME_WAIT at the end, at either end."""
        sides = (self.report["client"], self.report["server"])
        return sum(side["states"]["TIME_WAIT"] for side in sides if side)

    @property
    def latencies(self) -> list[tuple[float, int]]:
        return read_latencies(self._latencies)


def read_latencies(path: Path) -> list[tuple[float, int]]:
    with open(path, encoding="ascii") as file:
        return [(float(row["us"]), int(row["count"])) for row in csv.DictReader(file)]


def percentile(latencies: list[tuple[float, int]], percent: float) -> float:
    total, seen = sum(count for _, count in latencies), 0
    for value, count in latencies:
        seen += count
        if seen >= total * percent / 100:
            return value
    return 0.0


def distribution(latencies: list[tuple[float, int]]) -> list[tuple[float, float]]:
    """Microseconds, and the share of handshakes that took at most so long, thinned for a plot."""
    total, seen, points = sum(count for _, count in latencies), 0, []
    for value, count in latencies:
        seen += count
        share = 100 * seen / total
        if not points or share - points[-1][1] > 0.5 or seen == total or \
                (share > 99 and value > points[-1][0] * 1.1):
            points.append((value, share))
    return points


def bench(context: Context, children: Children, *flags: str, name: str = "bench",
          prefix: Sequence[str] = (), watch: bool = False) -> Run:
    child, paths = start_bench(context, children, *flags, name=name, prefix=prefix)
    if watch:
        child.watch_memory()
    return finish_bench(child, paths)


def start_bench(context: Context, children: Children, *flags: str, name: str = "bench",
                prefix: Sequence[str] = ()) -> tuple[Child, tuple[Path, Path]]:
    report, latencies = context.scratch / f"{name}.json", context.scratch / f"{name}.csv"
    for path in (report, latencies):
        path.unlink(missing_ok=True)
    argv = [*prefix, str(context.salut), "bench", *flags, "--json", str(report),
            "--latencies", str(latencies)]
    context.say(" ".join(["salut bench", *(str(flag) for flag in flags)]))
    log = context.scratch / f"{name}.log"
    return children.start(f"salut {name}", argv, log, cwd=context.scratch), (report, latencies)


def finish_bench(child: Child, paths: tuple[Path, Path]) -> Run:
    child.check(TIMES_OUT)
    return Run(child, json.loads(paths[0].read_text(encoding="utf-8")), paths[1])


class Server:
    """`salut serve`, listening when this returns."""

    def __init__(self, context: Context, children: Children, *flags: str, name: str = "serve",
                 prefix: Sequence[str] = ()) -> None:
        self.path = context.scratch / f"{name}.json"
        self.child = children.start(
            f"salut {name}", [*prefix, str(context.salut), "serve", *flags, "--json",
                              str(self.path)],
            context.scratch / f"{name}.log", cwd=context.scratch)
        self.child.wait_for(lambda: "listening on" in self.child.text(), "'listening on'", 120)

    def stop(self) -> dict[str, Any]:
        self.child.stop()
        return json.loads(self.path.read_text(encoding="utf-8"))


def configuration(context: Context, source: str, name: str, stack: Optional[dict[str, Any]] = None,
                  workers: Optional[dict[str, Any]] = None,
                  memory: Optional[dict[str, Any]] = None,
                  replace: Optional[dict[str, str]] = None) -> Path:
    """config/SOURCE with a name of its own and keys added or changed, in the scratch directory."""
    text = (context.root / "config" / source).read_text(encoding="utf-8")
    text = re.sub(r'^name = ".*"', f'name = "{context.tag}-{name}"', text, count=1, flags=re.M)
    for table, keys in (("stack", stack), ("workers", workers), ("memory", memory)):
        for key, value in (keys or {}).items():
            text = _set(text, table, key, json.dumps(value))
    for old, new in (replace or {}).items():
        if old not in text:
            raise Failed(f"config/{source}: has no {old}")
        text = text.replace(old, new)
    path = context.scratch / f"{name}.toml"
    path.write_text(text, encoding="utf-8")
    return path


def _set(text: str, table: str, key: str, value: str) -> str:
    head = f"[{table}]\n"
    if head not in text:
        text = text.replace("[[port]]", f"{head}\n[[port]]", 1)
    before, _, after = text.partition(head)
    end = after.find("\n[")
    body, rest = (after, "") if end < 0 else (after[:end], after[end:])
    body = re.sub(rf"^{key} = .*\n", "", body, flags=re.M)
    return f"{before}{head}{key} = {value}\n{body}{rest}"
