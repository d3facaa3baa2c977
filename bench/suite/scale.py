"""One worker against two, each with a client and a server on its own core, over its own wire; the
two are processes: a port has one worker so far."""
from __future__ import annotations

from .context import Context
from .processes import Children, Failed
from .result import Result, Row
from .salut import Run, finish_bench, start_bench

TITLE = "Scale"
NOISE = 0.05  # of this kind of machine, between two runs of the same


def run(context: Context, result: Result) -> None:
    cores = sorted(set(context.cores()))
    if len(cores) < 2:
        result.rows.append(Row("cycles per connection that a second worker adds", unit="%",
                               note="not run: needs two cores"))
        return
    rounds = 1 if context.small else 2
    one, two = [], []
    for _ in range(rounds):  # in turn: the machine's speed drifts
        one += [together(context, [core])[0] for core in cores]
        two.append(together(context, cores))
    cycles_one = min(run_.cycles("client") for run_ in one)
    cycles_two = min(sum(run_.cycles("client") for run_ in pair) / len(pair) for pair in two)
    cps_one = max(run_.cps for run_ in one)
    cps_two = max(sum(run_.cps for run_ in pair) for pair in two)
    everyone = one + [run_ for pair in two for run_ in pair]
    closed = sum(run_.closed for run_ in everyone)
    astray = sum(run_.dropped + run_.retransmitted for run_ in everyone)
    if context.small:
        result.checksums.append(f"{closed} closed, 0 failed")
    result.rows += [
        Row("cycles per connection that a second worker (a process) adds",
            max(0.0, 100 * (cycles_two / cycles_one - 1)), "%", "lower", 100 * NOISE,
            note=f"{cycles_one:,.0f} cycles alone, {cycles_two:,.0f} beside another (both ends on "
                 f"one core; best of {rounds} rounds). The target is the machine's noise: what "
                 "the two share is the cache's third level and the memory, no line of ours"),
        Row("connections per second of two workers, for each of one alone", cps_two / cps_one, "",
            "higher", 2 * (1 - NOISE),
            note=f"{cps_one:,.0f} alone, {cps_two:,.0f} together"),
        Row("segments dropped or sent again while two workers run, per connection",
            astray / closed, "", "lower", 0,
            note=f"of {closed:,} connections"),
        Row("messages between workers, per connection", unit="", better="lower", target=0,
            note="not run: a port has one worker so far, so that there is no message to count: "
                 "each worker has its ports, its table, its wheel, and nothing leads from one to "
                 "the other"),
    ]


def together(context: Context, cores: list[int]) -> list[Run]:
    how = ("--connections", "5000") if context.small else ("--duration", "4")
    with Children() as children:
        started = [start_bench(context, children, "--cores", str(core), *how, name=f"core-{core}")
                   for core in cores]
        runs = [finish_bench(*one) for one in started]
    if any(run_.failed for run_ in runs):
        raise Failed("scale: connections failed")
    return runs
