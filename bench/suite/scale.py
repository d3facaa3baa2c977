"""One worker against two on one port, each client and server on its own core: a wire in memory
that is joined to itself, with a queue for each of them."""
from __future__ import annotations

from .context import Context
from .processes import Children, Failed
from .result import Result, Row
from .salut import Run, bench, configuration

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
        one += [on(context, [core]) for core in cores]
        two.append(on(context, cores))
    cycles_one = min(run_.cycles("client") for run_ in one)
    cycles_two = min(run_.cycles("client") for run_ in two)
    cps_one = max(run_.cps for run_ in one)
    cps_two = max(run_.cps for run_ in two)
    closed = sum(run_.closed for run_ in one + two)
    astray = sum(run_.dropped + run_.retransmitted for run_ in one + two)
    together = sum(run_.closed for run_ in two)
    moved = sum(run_.report["client"]["redirected"] for run_ in two)
    if context.small:
        result.checksums.append(f"{closed} closed, 0 failed")
    result.rows += [
        Row("cycles per connection that a second worker adds",
            max(0.0, 100 * (cycles_two / cycles_one - 1)), "%", "lower", 100 * NOISE,
            note=f"{cycles_one:,.0f} cycles alone, {cycles_two:,.0f} beside another on the same "
                 f"port (both ends on one core; best of {rounds} rounds). The target is the "
                 "machine's noise: what the two share is the cache's third level, the memory and "
                 "the pool of packets behind their caches"),
        Row("connections per second of two workers, for each of one alone", cps_two / cps_one, "",
            "higher", 2 * (1 - NOISE),
            note=f"{cps_one:,.0f} alone, {cps_two:,.0f} together"),
        Row("segments dropped or sent again, per connection", astray / closed, "", "lower", 0,
            note=f"of {closed:,} connections"),
        Row("packets that changed workers, per connection", moved / together, "", "lower", 0.001,
            note=f"{moved:,} packets of {together:,} connections with two workers: source ports "
                 "bring the answers home. Copies of ARP are not counted"),
    ]


def on(context: Context, cores: list[int]) -> Run:
    """Both ends on each of the cores."""
    how = ("--connections", "5000") if context.small else ("--duration", "4")
    name = "cores-" + "-".join(str(core) for core in cores)
    path = configuration(context, "workers.toml", name,
                         workers={"count": len(cores), "cores": cores})
    with Children() as children:
        run_ = bench(context, children, "--config", str(path), *how, name=name)
    if run_.failed:
        raise Failed("scale: connections failed")
    return run_
