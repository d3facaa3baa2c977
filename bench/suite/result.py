"""What a benchmark found: rows with a verdict, plots, notes, and their form on disk.

A C++ program writes {"rows", "plots", "notes", "checksum"} with --rows=FILE; a module of this
package fills a Result with the same. build/report/NAME.json is that and where it was measured.
"""
from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Optional

MET, NOT_RUN, NO_TARGET = "met", "not run", "no target"


@dataclass
class Row:
    """One budget. A ratio of 1 or more means that ours is the better one."""
    what: str
    figure: Optional[float] = None  # None: not run, and the note says why
    unit: str = ""
    better: str = "lower"  # or "higher"
    target: Optional[float] = None
    alternative: Optional[str] = None
    alternative_figure: Optional[float] = None
    ratio: Optional[float] = None
    note: str = ""
    command: str = ""  # what prints it again, if not bench/run NAME

    def __post_init__(self) -> None:
        if self.better not in ("lower", "higher"):
            raise ValueError(f"{self.what}: better = {self.better}")
        if self.ratio is None:
            self.ratio = self._ratio()

    def _ratio(self) -> Optional[float]:
        ours, theirs = self.figure, self.alternative_figure
        if ours is None or theirs is None:
            return None
        top, bottom = (theirs, ours) if self.better == "lower" else (ours, theirs)
        return top / bottom if bottom > 0 else None

    @property
    def verdict(self) -> str:
        if self.figure is None:
            return NOT_RUN
        if self.target is None:
            return NO_TARGET
        lower = self.better == "lower"
        if self.figure <= self.target if lower else self.figure >= self.target:
            return MET
        if self.target == 0:
            return f"missed by {number(self.figure)}"
        return f"missed by {max(1, math.ceil(100 * abs(self.figure / self.target - 1)))} %"

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "verdict": self.verdict}


@dataclass
class Plot:
    title: str
    x: str
    y: str
    log_x: bool = False
    log_y: bool = False
    series: list[dict[str, Any]] = field(default_factory=list)

    def add(self, name: str, points: list[tuple[float, float]]) -> "Plot":
        self.series.append({"name": name, "points": [[x, y] for x, y in points]})
        return self


@dataclass
class Result:
    rows: list[Row] = field(default_factory=list)
    plots: list[Plot] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    checksums: list[str] = field(default_factory=list)

    def merge(self, path: Path) -> None:
        """Takes what a program wrote. Its errors are ours: a shape that is wrong raises."""
        document = json.loads(path.read_text(encoding="utf-8"))
        rows = [from_dict(Row, row) for row in document["rows"]]
        if not rows:
            raise ValueError(f"{path.name}: no rows")
        self.rows += rows
        self.plots += [from_dict(Plot, plot) for plot in document.get("plots", [])]
        self.notes += document.get("notes", [])
        self.checksums.append(str(document["checksum"]))

    def as_json(self) -> dict[str, Any]:
        return {"rows": [row.as_json() for row in self.rows],
                "plots": [asdict(plot) for plot in self.plots],
                "notes": self.notes,
                "checksum": "; ".join(self.checksums)}


def from_dict(kind: Any, values: dict[str, Any]) -> Any:
    known = {name: values[name] for name in kind.__dataclass_fields__ if name in values}
    return kind(**known)


def number(value: Optional[float]) -> str:
    """1,234,567 or 12.3 or 0.0042: below a thousand three digits that say something."""
    if value is None:
        return "–"
    if value == 0 or abs(value) >= 1000:
        return f"{value:,.0f}"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    text = f"{value:.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def with_unit(value: Optional[float], unit: str) -> str:
    """As number(), with bytes in the unit that a person would choose."""
    if value is None:
        return "–"
    if unit == "bytes" and value >= 1 << 20:
        scale, name = (1 << 30, "GiB") if value >= 1 << 30 else (1 << 20, "MiB")
        return f"{number(value / scale)} {name}"
    return f"{number(value)} {unit}".rstrip()
