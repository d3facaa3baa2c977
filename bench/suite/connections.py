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
HELD_S = 60
# A record and its place in the table, with something to spare.
TIME_WAIT_BYTES = 80


def run(context: Context) -> Result:
    result = Result()
    theirs = kernel_runs(context, result)
    embedded: list[float] = []
    for wire in WIRES:
        if wire.pair and len(set(context.cores())) < 2:
            result.rows.append(Row(f"connections per second, {wire.name}", unit="CPS",
                                   better="higher", note="not run: needs two cores"))
            continue
        for kind in KINDS:
            ended = measure(context, wire, kind, result)
            if wire is EMBEDDED and kind is SMALL:
                embedded = [one.cps for one in ended]
            add_rows(context, wire, kind, ended, theirs.get(kind), result)
    result.rows.append(dperf.row(context, result))
    hold_for_a_minute(context, min(embedded), result)
    against_open_sockets(context, result)
    return result


# ---- each wire

def measure(context: Context, wire: Wire, kind: Kind, result: Result) -> list[Ended]:
    """Closed loop, twice; the best first. Small: so many connections, so that all is the same."""
    if context.small:
        ended = [wires.run(context, wire, kind, ["--connections", "20000"], 65_536)]
    else:
        ended = [wires.run(context, wire, kind, ["--duration", "6"], 20_000_000)
                 for _ in range(2)]
    ended.sort(key=lambda one: (one.clean, one.cps), reverse=True)
    if not context.small and not ended[0].clean:
        ended.insert(0, wires.run(context, wire, kind, ["--max", "--duration", "30"], 30_000_000))
    if any(one.run.failed for one in ended):
        raise Failed(f"{wire.name}, {kind.name}: connections failed")
    if context.small:
        closed = ended[0].run.closed
        if ended[0].served and ended[0].served["connections"] != closed:
            raise Failed(f"{wire.name}, {kind.name}: the server counted "
                         f"{ended[0].served['connections']} connections, the client {closed}")
        result.checksums.append(f"{wire.key}, {kind.name}: {closed} closed, 0 failed")
    return ended


def add_rows(context: Context, wire: Wire, kind: Kind, ended: list[Ended],
             theirs: Optional[kernel.KernelRun], result: Result) -> None:
    best = ended[0]
    hz = best.run.report["tsc_hz"]
    others = ", ".join(f"{one.cps:,.0f}" for one in ended[1:])
    clean = "" if best.clean else (f"; NOT clean: {best.retransmitted:,} retransmitted, "
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

def hold_for_a_minute(context: Context, maximum: float, result: Result) -> None:
    if context.small:
        seconds, rate, time_wait = 1.0, 5_000.0, 65_536
    else:
        seconds, rate = float(HELD_S), 0.9 * maximum
        room = machine.meminfo("MemAvailable") / 2 / TIME_WAIT_BYTES
        if rate * (seconds + 2) > room:
            seconds = max(10.0, room / rate - 2)
            result.notes.append(f"memory for {seconds:.0f} s of TIME_WAIT at that rate, not "
                                f"{HELD_S} s")
        time_wait = int(rate * (seconds + 2))
    ended = wires.run(context, EMBEDDED, SMALL,
                      ["--rate", f"{rate:.0f}", "--duration", f"{seconds:.0f}"], time_wait)
    lost = ended.run.failed + ended.retransmitted
    what = f"failures and retransmissions, {seconds:.0f} s at 90 % of the maximum, embedded wire"
    result.rows.append(Row(
        what, lost, "", "lower", 0,
        note=f"{rate:,.0f} per second asked for (90 % of the slower of two runs), "
             f"{ended.cps:,.0f} came; {ended.run.closed:,} closed, {ended.time_wait:,} in "
             f"TIME_WAIT at the end; {ended.run.failed:,} failed, {ended.retransmitted:,} "
             f"retransmitted, {ended.dropped:,} dropped"))
    points = [(0.0, 0.0)] + [(one.at, float(one.time_wait)) for one in ended.run.seconds]
    result.plots.append(Plot(f"TIME_WAIT over time, {rate:,.0f} connections per second, 2MSL 60 s",
                             "seconds", "sockets in TIME_WAIT").add("salut", points))
    if context.small:
        # A busy machine may hold up an open loop; connections that were opened must still close.
        result.checksums.append("held: " + ("closed" if ended.run.closed else "nothing closed"))


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
        cps.append((size, run_.cps))
        client.append((size, run_.cycles("client")))
        if run_.report["server"]:
            server.append((size, run_.cycles("server")))
        if not run_.clean:
            unclean.append(f"{size:,} ({run_.failed:,} failed, {run_.retransmitted:,} "
                           f"retransmitted, {run_.dropped:,} dropped)")
    result.plots.append(Plot("Connections per second against open sockets", "open sockets",
                             "connections per second", log_x=True).add("salut", cps))
    plot = Plot("Cycles per connection against open sockets", "open sockets",
                "busy cycles per connection", log_x=True).add("client", client)
    result.plots.append(plot.add("server", server) if server else plot)
    result.notes.append("Against open sockets: embedded wire, bare, so many handshakes and closes "
                        "under way at once" +
                        (f"; not clean: {', '.join(unclean)}" if unclean else ""))
