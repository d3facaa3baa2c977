"""Ten million sockets open at once at each end: how fast, and how much memory."""
from __future__ import annotations

from . import machine
from .context import Context
from .processes import Children, Failed
from .result import Plot, Result, Row
from .salut import Run, bench

TITLE = "Sockets"


def hold(context: Context, result: Result, count: int, seconds: float) -> Run:
    with Children() as children:
        run_ = bench(context, children, "--hold", str(count), "--duration", str(seconds),
                     watch=True)
    if run_.closed != count or run_.failed:
        raise Failed(f"--hold {count}: {run_.closed} closed, {run_.failed} failed")
    result.checksums.append(f"{count} held and closed, 0 failed")
    return run_


def bytes_of_one(held: Run, count: int) -> float:
    """What one socket takes at both ends together, at most: a run that held `count` of them set
    aside somewhat more than that."""
    return held.report["memory_bytes"]["total"] / count


def run(context: Context, result: Result) -> None:
    sizes = [1_000, 3_000] if context.small else [1_000, 10_000, 100_000, 1_000_000]
    many = 10_000 if context.small else 10_000_000
    runs = {size: hold(context, result, size, 0.5) for size in sizes}
    fits = int(0.85 * machine.meminfo("MemAvailable") / bytes_of_one(runs[sizes[-1]], sizes[-1]))
    if fits < many and not context.small:
        result.notes.append(f"memory here for {fits:,} sockets, not {many:,}")
        many = fits
    few = 1_000 if context.small else 10_000
    # The opening of a few is over in milliseconds: the best of some.
    rates = [runs[few].opening_rate]
    rates += [hold(context, Result(), few, 0.2).opening_rate for _ in range(4)]
    runs[many] = hold(context, result, many, 1)
    most = runs[many]
    slow = sorted(rates)[len(rates) // 2]
    result.rows += [
        Row(f"rate of opening {many:,} sockets, as a share of that of {few:,}",
            most.opening_rate / slow, "", "higher", 0.8,
            note=f"{most.opening_rate:,.0f} and {slow:,.0f} per second (median of {len(rates)}: "
                 f"{', '.join(f'{rate:,.0f}' for rate in sorted(rates))})"),
        Row(f"{many:,} established at each end, then closed: failures",
            most.failed, "", "lower", 0,
            note=f"{most.retransmitted:,} retransmitted, {most.dropped:,} dropped; "
                 f"{most.time_wait():,} in TIME_WAIT at the end"),
        Row("bytes per socket and end, all in", most.peak / 2 / many, "bytes", "lower",
            note=f"resident at the peak {most.peak / (1 << 30):.2f} GiB, both ends, huge pages and "
                 f"TIME_WAIT of the closing included; reserved by the report: "
                 f"{most.report['memory_bytes']['total'] / (1 << 30):.2f} GiB"),
    ]
    memory = Plot("Memory against sockets", "sockets established at each end", "MiB, both ends",
                  log_x=True, log_y=True)
    memory.add("resident at the peak",
               [(size, one.peak / (1 << 20)) for size, one in sorted(runs.items())])
    memory.add("reserved", [(size, one.report["memory_bytes"]["total"] / (1 << 20))
                            for size, one in sorted(runs.items())])
    result.plots.append(memory)
    result.plots.append(Plot("Opening: sockets over time", "seconds", "sockets open").add(
        "salut", [(0.0, 0.0)] + [(one.at, float(one.open)) for one in most.seconds]))
