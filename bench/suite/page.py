"""build/report/index.html: everything that was measured, in one file that needs no network.

Plots are drawn by Chart.js, which Debian's libjs-chart.js has; it is embedded when the page is
written. Without it the page says so, and the numbers of each plot stand open below its title.
"""
from __future__ import annotations

import json
from html import escape
from pathlib import Path
from typing import Any, Iterable, Optional

from . import limits, machine
from .result import MET, NO_TARGET, NOT_RUN, number, with_unit

Report = dict[str, Any]
CHART_JS = (Path("/usr/share/javascript/chart.js/chart.min.js"),
            Path("/usr/share/javascript/chart.js/Chart.min.js"))
HERE = Path(__file__).resolve().parent


def load(folder: Path, names: Iterable[str]) -> list[Report]:
    paths = [folder / f"{name}.json" for name in names]
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths if path.exists()]


# ---- on a terminal

def as_text(report: Report) -> str:
    lines = [f"{report['title']} ({report['command']}, {report['seconds']:.0f} s)"]
    for row in report["rows"]:
        lines.append(f"  {row['what']}")
        parts = [with_unit(row["figure"], row["unit"])]
        if row["target"] is not None:
            parts.append(f"target {with_unit(row['target'], row['unit'])}: {row['verdict']}")
        if row["alternative"]:
            parts.append(f"{row['alternative']} {with_unit(row['alternative_figure'], row['unit'])}"
                         + (f" ({number(row['ratio'])} x)" if row["ratio"] else ""))
        lines.append("      " + "; ".join(parts))
        if row["note"]:
            lines.append(f"      ({row['note']})")
    lines += [f"  {note}" for note in report["notes"]]
    if report["checksum"]:
        lines.append(f"  checksum: {report['checksum']}")
    return "\n".join(lines)


# ---- as a page

def headline(reports: list[Report]) -> str:
    """The figure that the project is about, with the wire that it was measured on."""
    best: Optional[dict[str, Any]] = None
    for report in reports:
        for row in report["rows"] if report["name"] == "connections" else ():
            if row["unit"] == "CPS" and row["figure"] and \
                    row["what"].startswith("connections per second, ") and \
                    (best is None or row["figure"] > best["figure"]):
                best = row
    if best is None:
        return "Connections per second: not measured yet"
    return (f"{best['figure'] / 1e6:.2f} million connections per second, one core at each end, "
            f"2MSL 60 s ({best['what'].partition(', ')[2]})")


def beside(reports: list[Report]) -> str:
    """Each alternative in connections per second beside our row that it was measured for: the best
    of each, whether better or worse than ours."""
    best: dict[str, dict[str, Any]] = {}
    for report in reports:
        for row in report["rows"] if report["name"] == "connections" else ():
            if row["unit"] == "CPS" and row["alternative_figure"] and row["figure"]:
                name = row["alternative"]
                if name not in best or row["alternative_figure"] > best[name]["alternative_figure"]:
                    best[name] = row
    if not best:
        return "No alternative was measured beside it"
    return "; ".join(
        f"{name}: {number(row['alternative_figure'])} where salut does {number(row['figure'])} "
        f"({row['what'].partition(', ')[2]})" for name, row in best.items())


def tally(reports: list[Report]) -> str:
    rows = [row for report in reports for row in report["rows"]]
    with_target = [row for row in rows if row["target"] is not None]
    met = sum(row["verdict"] == MET for row in with_target)
    not_run = sum(row["verdict"] == NOT_RUN for row in rows)
    beaten = sum(bool(row["ratio"]) and row["ratio"] >= 1 for row in rows)
    compared = sum(bool(row["ratio"]) for row in rows)
    return (f"{met} of {len(with_target)} budgets met; better than the alternative in {beaten} of "
            f"{compared} comparisons; {not_run} not run")


def verdict_class(verdict: str) -> str:
    return {MET: "met", NO_TARGET: "none", NOT_RUN: "none"}.get(verdict, "missed")


def row_html(row: dict[str, Any]) -> str:
    unit = row["unit"]
    other = escape(row["alternative"] or "")
    if row["alternative"]:
        other += f"<br><b>{escape(with_unit(row['alternative_figure'], unit))}</b>"
    ratio = f"{number(row['ratio'])} ×" if row["ratio"] else "–"
    note = f"<div class=note>{escape(row['note'])}</div>" if row["note"] else ""
    target = "–"
    if row["target"] is not None:
        sign = "≤" if row["better"] == "lower" else "≥"
        target = f"{sign} {with_unit(row['target'], unit)}"
    worse = " worse" if row["ratio"] and row["ratio"] < 1 else ""
    return (f"<tr><td>{escape(row['what'])}{note}</td><td class=n>{escape(target)}</td>"
            f"<td class=n><b>{escape(with_unit(row['figure'], unit))}</b></td>"
            f"<td class=n>{other or '–'}</td><td class='n{worse}'>{ratio}</td>"
            f"<td class={verdict_class(row['verdict'])}>{escape(row['verdict'])}</td></tr>")


def plot_html(plot: dict[str, Any], key: str, drawn: bool) -> str:
    cells = []
    for series in plot["series"]:
        points = "".join(f"<tr><td class=n>{number(x)}</td><td class=n>{number(y)}</td></tr>"
                         for x, y in series["points"])
        cells.append(f"<table><caption>{escape(series['name'])}</caption><tr>"
                     f"<th>{escape(plot['x'])}</th><th>{escape(plot['y'])}</th></tr>{points}"
                     "</table>")
    canvas = f"<div class=canvas><canvas id={key} role=img></canvas></div>" if drawn else ""
    return (f"<figure><figcaption>{escape(plot['title'])}</figcaption>{canvas}"
            f"<details{'' if drawn else ' open'}><summary>the numbers</summary>"
            f"<div class=series>{''.join(cells)}</div></details></figure>")


def section_html(report: Report, drawn: bool) -> str:
    name = report["name"]
    parts = [f"<section id={name}><h2>{escape(report['title'])}</h2>",
             f"<p class=where><code>{escape(report['command'])}</code>, {escape(report['date'])}, "
             f"{report['seconds']:.0f} s{'' if report['size'] == 'full' else ', SMALL sizes'}</p>"]
    if report["failed"]:
        parts.append(f"<p class=missed>failed: {escape(report['failed'])}</p>")
    if report["rows"]:
        head = "".join(f"<th>{word}</th>" for word in
                       ("what", "target", "salut", "alternative", "ratio", "verdict"))
        rows = "".join(row_html(row) for row in report["rows"])
        parts.append(f"<div class=wide><table class=budgets><tr>{head}</tr>{rows}</table></div>")
    missed = limits.missed([report])
    if missed:
        items = "".join(f"<li>{escape(text)}</li>" for text in missed)
        parts.append("<h3>What is missed, what was tried, and the limit</h3>"
                     f"<ul class=notes>{items}</ul>")
    plots = (plot_html(plot, f"plot-{name}-{i}", drawn) for i, plot in enumerate(report["plots"]))
    parts.append(f"<div class=plots>{''.join(plots)}</div>")
    if report["notes"]:
        notes = "".join(f"<li>{escape(note)}</li>" for note in report["notes"])
        parts.append(f"<ul class=notes>{notes}</ul>")
    return "".join(parts) + "</section>"


def html(reports: list[Report], chart_js: Optional[str]) -> str:
    drawn = chart_js is not None
    plots = {f"plot-{report['name']}-{i}": plot
             for report in reports for i, plot in enumerate(report["plots"])}
    machines = sorted({machine.text(report["machine"]) for report in reports})
    days = sorted({report["date"] for report in reports})
    links = " ".join(f"<a href='#{r['name']}'>{escape(r['title'])}</a>" for r in reports)
    missing = "" if drawn else ("<p class=missed>No plots: Chart.js was not found when this page "
                                "was written (Debian: libjs-chart.js). The numbers are below.</p>")
    scripts = ""
    if chart_js is not None:
        # No element may end inside: the only place where a page's data could.
        data = json.dumps(plots, ensure_ascii=False).replace("</", "<\\/")
        draw = (HERE / "page.js").read_text(encoding="utf-8")
        scripts = (f"<script>{chart_js.replace('</script', '<' + chr(92) + '/script')}</script>"
                   f"<script>const plots = {data};\n{draw}</script>")
    return f"""<!doctype html>
<html lang=en><head><meta charset=utf-8><title>salut: what it takes, and what others take</title>
<meta name=viewport content="width=device-width, initial-scale=1">
<style>{(HERE / 'page.css').read_text('utf-8')}</style></head><body>
<header><h1>{escape(headline(reports))}</h1>
<p>{escape(beside(reports))}. {escape(tally(reports))}.</p>
<p class=where>{escape('; '.join(machines))}. {escape(' to '.join(sorted({days[0], days[-1]})))},
<code>bench/run --all</code>. A ratio above 1 is in salut's favour. The machine is shared: look at
figures and alternatives of one table side by side.</p>{missing}<nav>{links}</nav></header>
<main>{''.join(section_html(report, drawn) for report in reports)}</main>{scripts}</body></html>
"""


def write(folder: Path, names: Iterable[str]) -> Path:
    reports = load(folder, names)
    path = folder / "index.html"
    if not reports:
        raise SystemExit("salut: nothing was measured yet: bench/run --all")
    found = next((file for file in CHART_JS if file.exists()), None)
    path.write_text(html(reports, found.read_text(encoding="utf-8") if found else None),
                    encoding="utf-8")
    return path
