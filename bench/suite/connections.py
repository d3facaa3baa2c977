"""Connections per second, and what one costs at each end; how that holds for a minute."""
from __future__ import annotations

from typing import Optional

from . import dperf, kernel, machine, wires
from .context import Context
from .processes import Children, Failed, NotHere
from .result import Plot, Result, Row
from .salut import bench
from .wires import EMBEDDED, KINDS, MEMIF, SMALL, WIRES, Ended, Kind, Wire

TITLE = "Connections per second"
CYCLES = {EMBEDDED: 500, MEMIF: 780, wires.VHOST: 1500}  # per connection and side
CPS_MEMIF = 1_600_000
HELD_S = 75


def run(context: Context, result: Result) -> None:
    theirs = kernel_runs(context, result)
    hz = 0.0
    for wire in WIRES:
        if wire.pair and len(set(context.cores())) < 2:
            result.rows.append(Row(f"connections per second, {wire.name}", unit="CPS",
                                   better="higher", note="not run: needs two cores"))
            continue
        for kind in KINDS:
            try:
                ended = measure(context, wire, kind, result)
            except Failed as why:
                if context.small:
                    raise
                result.rows.append(Row(f"connections per second, {wire.name}, {kind.name}",
                                       unit="CPS", better="higher", note=f"not run: {why}"))
                continue
            hz = ended[0].run.report["tsc_hz"]
            add_rows(wire, kind, ended, theirs.get(kind), result)
    result.rows += dperf.rows(context, hz)
    hold_for_a_minute(context, result)
    against_open_sockets(context, result)


# ---- each wire


def measure(context: Context, wire: Wire, kind: Kind, result: Result) -> list[Ended]:
    """Closed loop, three times, the best first. Small: so many connections, always the same."""
    if context.small:
        ended = [wires.run(context, wire, kind, ["--connections", "20000"], 65_536)]
    else:
        ended = [wires.run(context, wire, kind, ["--duration", "6"], 20_000_000)
                 for _ in range(3)]
    ended.sort(key=lambda one: (one.clean, one.cps), reverse=True)
    if not context.small and not ended[0].clean:
        searched = wires.run(context, wire, kind, ["--max", "--duration", "25"], 30_000_000)
        ended = [searched, *ended] if searched.cps > 0 else ended
    if context.small:
        if ended[0].run.failed:
            raise Failed(f"{wire.name}, {kind.name}: {ended[0].run.failed} connections failed")
        closed = ended[0].run.closed
        if ended[0].served and ended[0].served["connections"] != closed:
            raise Failed(f"{wire.name}, {kind.name}: the server counted "
                         f"{ended[0].served['connections']} connections, the client {closed}")
        result.checksums.append(f"{wire.key}, {kind.name}: {closed} closed, 0 failed")
    return ended


def add_rows(wire: Wire, kind: Kind, ended: list[Ended],
             theirs: Optional[kernel.KernelRun], result: Result) -> None:
    best = ended[0]
    hz = best.run.report["tsc_hz"]
    others = ", ".join(f"{one.cps:,.0f}" for one in ended[1:])
    clean = ""
    if best.searched:
        clean = "; by --max, the highest rate without a failure: a closed loop was not clean"
    elif not best.clean:
        clean = (f"; NOT clean: {best.run.failed:,} failed, {best.retransmitted:,} retransmitted, "
                 f"{best.dropped:,} dropped")
    note = (f"{best.run.packets:.2f} packets per connection, {best.time_wait:,} in TIME_WAIT at "
            "the end" + (f"; also {others}" if others else "") + clean)
    name = f"{wire.name}, {kind.name}"
    alternative = kernel.NAME if theirs else None
    result.rows.append(Row(
        f"connections per second, {name}", best.cps, "CPS", "higher",
        CPS_MEMIF if wire is MEMIF else None, alternative, theirs.cps if theirs else None,
        note=note))
    cycles = theirs.cpu_seconds() * hz if theirs else None
    for side, figure in (("client", best.client_cycles), ("server", best.server_cycles)):
        result.rows.append(Row(f"busy cycles per connection, {side}, {name}", figure, "cycles",
                               "lower", CYCLES[wire], alternative, cycles))


def kernel_runs(context: Context, result: Result) -> dict[Kind, kernel.KernelRun]:
    """By kind. The kernel's columns are empty where it cannot be asked."""
    runs: dict[Kind, kernel.KernelRun] = {}
    try:
        with Children() as children:
            client, server = kernel.veth_pair(context, children)
            for kind in KINDS:
                runs[kind] = kernel.run(context, client, server, kind.bytes_each, 256,
                                        0.5 if context.small else 4)
                if runs[kind].client["connections"] == 0:
                    raise Failed("the kernel opened nothing")
    except NotHere as why:
        result.notes.append(f"the kernel was not measured: {why}")
    else:
        result.notes.append(
            f"{kernel.NAME}: server and client on a core each, in two namespaces; CPU by getrusage "
            "times the TSC's rate, half of both ends each, because one end's packets are handled "
            "in the other's system calls.")
    return runs


# ---- at 90 % for a minute

def hold_for_a_minute(context: Context, result: Result) -> None:
    """An open loop, which does not wait for answers: 90 % of the highest rate that it held. Longer
    than 2MSL, so that records expire as fast as they come."""
    searched = None if context.small else highest(context)
    maximum = searched.cps if searched else 5_500.0
    seconds = 1.0 if context.small else float(HELD_S)
    name = f"{EMBEDDED.name}, {SMALL.name}"
    result.rows.append(Row(f"the highest rate of an open loop without a failure, {name}", maximum,
                           "CPS", "higher", note="--max: windows of 1.2 s"))
    room = room_for_time_wait(searched) if searched else float("inf")
    tried = []
    for share in (0.9, 0.8, 0.7, 0.6):
        rate = maximum * share
        if rate * (2 * 30 + 2) > room:
            result.notes.append(f"memory for {room:,.0f} sockets in TIME_WAIT only")
            rate = room / (2 * 30 + 2)
        ended = wires.run(context, EMBEDDED, SMALL,
                          ["--rate", f"{rate:.0f}", "--duration", f"{seconds:.0f}"],
                          max(65_536, int(rate * min(seconds + 2, 62))))
        lost = ended.run.failed + ended.retransmitted
        what = f"failures and retransmissions, {seconds:.0f} s at {100 * share:.0f} % of it, {name}"
        result.rows.append(Row(
            what, lost, "", "lower", 0 if share == 0.9 else None,
            note=f"{rate:,.0f} per second asked for, {ended.cps:,.0f} came; {ended.run.closed:,} "
                 f"closed, {ended.time_wait:,} in TIME_WAIT at the end; {ended.run.failed:,} "
                 f"failed, {ended.retransmitted:,} retransmitted, {ended.dropped:,} dropped; "
                 f"{ended.client_cycles:,.0f} and {ended.server_cycles:,.0f} busy cycles per "
                 "connection: an open loop works in small bursts"))
        points = [(0.0, 0.0)] + [(one.at, float(one.time_wait)) for one in ended.run.seconds]
        tried.append((rate, points))
        if lost == 0 or context.small:
            break
    rate, points = tried[-1]
    result.plots.append(Plot(f"TIME_WAIT over time, {rate:,.0f} connections per second, 2MSL 60 s",
                             "seconds", "sockets in TIME_WAIT").add("salut", points))
    if context.small:
        # A busy machine may hold up an open loop; connections that were opened must still close.
        result.checksums.append("held: " + ("closed" if ended.run.closed else "nothing closed"))


SEARCHED_TIME_WAIT = 30_000_000


def highest(context: Context) -> Ended:
    """The highest rate without a failure, by --max."""
    return wires.run(context, EMBEDDED, SMALL, ["--max", "--duration", "25"], SEARCHED_TIME_WAIT)


def room_for_time_wait(ended: Ended) -> float:
    """How many records each worker may have: by what a run with SEARCHED_TIME_WAIT of them says
    that they and their places in the tables took, of all workers; a fifth of memory stays free."""
    taken = ended.run.report["memory_bytes"]
    each = (taken["time_wait"] + taken["flow_table"]) / SEARCHED_TIME_WAIT
    return 0.8 * machine.meminfo("MemAvailable") / each


# ---- against open sockets

def against_open_sockets(context: Context, result: Result) -> None:
    sizes = (16, 256) if context.small else (256, 4_096, 65_536, 1_000_000)
    cps, client, server, unclean = [], [], [], []
    for size in sizes:
        with Children() as children:
            run_ = bench(context, children, "--concurrency", str(size), "--duration",
                         context.pick(3, 0.5))
        if run_.closed == 0:
            raise Failed(f"{size} at once: nothing closed")
        if run_.clean or context.small:
            cps.append((size, run_.cps))
            client.append((size, run_.cycles("client")))
            if run_.report["server"]:
                server.append((size, run_.cycles("server")))
        else:
            unclean.append(f"{size:,} ({run_.failed:,} failed, {run_.retransmitted:,} "
                           f"retransmitted, {run_.dropped:,} dropped)")
    result.plots.append(Plot("Connections per second against connections under way",
                             "under way at once", "connections per second",
                             log_x=True).add("salut", cps))
    plot = Plot("Cycles per connection against connections under way", "under way at once",
                "busy cycles per connection", log_x=True).add("client", client)
    result.plots.append(plot.add("server", server) if server else plot)
    result.notes.append("Against connections under way: embedded wire, bare, 3 s each" +
                        (f"; left out, not clean: {', '.join(unclean)}" if unclean else ""))
