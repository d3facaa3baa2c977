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
    result.rows += dperf.rows(context, result, hz)
    hold_for_a_minute(context, result)
    against_open_sockets(context, result)


# ---- each wire


def measure(context: Context, wire: Wire, kind: Kind, result: Result) -> list[Ended]:
    """Closed loop, three times; the best first. Small: so many connections, so that all is the same."""
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
    """An open loop, which does not wait for answers: 90 % of the highest rate that it held."""
    seconds, rate = (1.0, 5_000.0) if context.small else (float(HELD_S), 0.9 * highest(context))
    room = machine.meminfo("MemAvailable") / 2 / TIME_WAIT_BYTES
    if rate * (seconds + 2) > room:
        seconds = max(10.0, room / rate - 2)
        result.notes.append(f"memory for {seconds:.0f} s of TIME_WAIT at that rate, not {HELD_S} s")

    def held(share: float, seconds: float) -> Ended:
        return wires.run(
            context, EMBEDDED, SMALL,
            ["--rate", f"{rate * share:.0f}", "--duration", f"{seconds:.0f}"],
            max(65_536, int(rate * (seconds + 2))))
    ended = held(1, seconds)
    lost = ended.run.failed + ended.retransmitted
    tried = ""
    if lost and not context.small:
        for share in (0.8, 0.65, 0.5):
            again = held(share / 0.9, 8)
            if again.run.failed + again.retransmitted == 0:
                tried = f"; {100 * share:.0f} %, {again.cps:,.0f} per second, held for 8 s"
                break
            tried = f"; nor did {100 * share:.0f} % hold for 8 s"
    what = f"failures and retransmissions, {seconds:.0f} s at 90 % of the maximum, embedded wire"
    result.rows.append(Row(
        what, lost, "", "lower", 0,
        note=f"64 bytes there and back; {rate:,.0f} per second asked for (the maximum is that of "
             f"--max), {ended.cps:,.0f} came; {ended.run.closed:,} closed, {ended.time_wait:,} in "
             f"TIME_WAIT at the end; {ended.run.failed:,} failed, {ended.retransmitted:,} "
             f"retransmitted, {ended.dropped:,} dropped" + tried))
    points = [(0.0, 0.0)] + [(one.at, float(one.time_wait)) for one in ended.run.seconds]
    result.plots.append(Plot(f"TIME_WAIT over time, {rate:,.0f} connections per second, 2MSL 60 s",
                             "seconds", "sockets in TIME_WAIT").add("salut", points))
    if context.small:
        # A busy machine may hold up an open loop; connections that were opened must still close.
        result.checksums.append("held: " + ("closed" if ended.run.closed else "nothing closed"))


def highest(context: Context) -> float:
    """The highest rate without a failure, by --max."""
    return wires.run(context, EMBEDDED, SMALL, ["--max", "--duration", "25"], 30_000_000).cps


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
