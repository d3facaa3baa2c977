"""dperf (github.com/baidu/dperf) over memif: the fastest peer that we know. Not in Debian, so the
row is run where DPERF names the program.

dperf takes only PCI addresses for ports, and hands them to EAL; build/bench/dperf_eal.so, loaded in
front of it, gives EAL the memif instead and keeps it from probing any card.
"""
from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from statistics import median

from . import machine, wires
from .context import Context
from .processes import Child, Children, Failed, NotHere
from .result import Row

NAME = "dperf, memif (no TIME_WAIT, no RX checksum)"
PORT = "net_memif000"  # the length of a PCI address, which dperf asks for
# Its slow start is a ramp of at least ten seconds. What it can do is what it does for HELD_S
# seconds in a row without an error, its closes keeping up with its opens: in a second in which it
# only opens it seems to do more, and is lost afterwards.
TARGET, RAMP_S = 2_400_000, 20
HELD_S = 3
SECONDS = RAMP_S + HELD_S + 1
KEEPS_UP = 0.97  # of opens, so many closes
PAIRS = 5
LOST = ("skErr", "synRt", "finRt", "ackRt", "pushRt", "dropTx")


def rows(context: Context, hz: float) -> list[Row]:
    """Five pairs, one after the other: ours, theirs, ours, theirs. Medians."""
    speed = "connections per second, memif, beside dperf, 64 bytes there and back"
    cost = "busy cycles per connection, client, memif, beside dperf"
    try:
        program, shim = find(context)
        pairs = [(ours(context), attempt(context, program, shim)) for _ in range(PAIRS)]
    except (NotHere, Failed) as why:
        note = f"not run: {why}"
        return [Row(speed, None, "CPS", "higher", note=note),
                Row(cost, None, "cycles", note=note)]
    cores = context.cores()
    where = f"client on core {cores[0]}, server on core {cores[1]}, of both"
    command = "DPERF=… bench/run connections"

    def row(what: str, unit: str, better: str, share: float, mine: list[float],
            theirs: list[float]) -> Row:
        each = "; ".join(f"{one:,.0f} and {other:,.0f}" for one, other in zip(mine, theirs))
        return Row(what, median(mine), unit, better, share * median(theirs), NAME, median(theirs),
                   note=f"medians of {PAIRS} alternating pairs ({each}); {where}", command=command)
    return [row(speed, "CPS", "higher", 1.25, [one[0] for one, _ in pairs],
                [other[0] for _, other in pairs]),
            row(cost, "cycles", "lower", 0.8, [one[1] for one, _ in pairs],
                [other[1] * hz / other[0] for _, other in pairs])]


def ours(context: Context) -> tuple[float, float]:
    """Connections per second of a closed loop, and the client's cycles for each."""
    context.say("salut beside dperf")
    ended = wires.run(context, wires.MEMIF, wires.SMALL, ["--duration", "4"], 20_000_000)
    if ended.run.failed or ended.retransmitted:
        raise Failed(f"salut: {ended.run.failed} failed, {ended.retransmitted} retransmitted")
    return ended.cps, ended.client_cycles


def find(context: Context) -> tuple[str, Path]:
    """The program, and what is loaded in front of it."""
    program = os.environ.get("DPERF", "")
    if not program:
        raise NotHere("set DPERF=/path/to/dperf")
    if context.small:
        raise NotHere("not part of the small run")
    if len(set(context.cores())) < 2:
        raise NotHere("needs two cores")
    shim = context.build / "bench" / "dperf_eal.so"
    if not shim.exists():
        raise NotHere("needs build/bench/dperf_eal.so")
    if not context.is_root:
        raise NotHere("needs root")
    linked = subprocess.run(["ldd", program], capture_output=True, text=True, check=False).stdout
    if "librte_eal" not in linked:
        # Without the shim it would probe the machine's own network cards.
        raise NotHere(f"{program} is not linked to DPDK's shared libraries")
    return program, shim


def configuration(context: Context, side: str, core: int) -> Path:
    local, gateway = ("10.0.0.1", "10.0.0.2") if side == "server" else ("10.0.0.2", "10.0.0.1")
    lines = [f"mode {side}", f"cpu {core}", f"duration {SECONDS + (6 if side == 'server' else 0)}s",
             "payload_size 64", f"port {PORT} {local} {gateway}", "client 10.0.0.100 80",
             "server 10.0.0.1 1", "listen 80 1", "tx_burst 64"]
    if side == "client":
        lines += [f"cps {TARGET}", f"slow_start {RAMP_S}"]
    path = context.scratch / f"dperf-{side}.conf"
    path.write_text("\n".join(lines) + "\n", encoding="ascii")
    return path


def attempt(context: Context, program: str, shim: Path) -> tuple[float, float]:
    """Connections per second, and the share of the client's core that they took."""
    context.say(f"dperf, up to {TARGET:,} per second")
    huge = machine.meminfo("HugePages_Free") >= 1000  # of 2 MiB, for both
    memory = "--socket-mem=1000" if huge else "--no-huge -m 2500"
    cores = context.cores()
    with Children() as children:
        def start(side: str, core: int) -> Child:
            vdev = (f"{PORT},role={side},id=0,socket={context.scratch}/dperf.sock,"
                    "socket-abstract=no,bsize=2048,rsize=11")
            return children.start(
                f"dperf {side}", [program, "-c", str(configuration(context, side, core))],
                context.scratch / f"dperf-{side}.log", cwd=context.scratch,
                env={"LD_PRELOAD": str(shim),
                     "DPERF_EAL": "--no-pci --iova-mode=va "
                                  f"--file-prefix={context.tag}-dperf-{side} {memory} "
                                  f"--vdev {vdev}"})
        server = start("server", cores[1])
        server.wait_for(lambda: (context.scratch / "dperf.sock").exists(), "socket", 20)
        client = start("client", cores[0])
        client.wait(SECONDS + 40)
        return read(client.text())


def read(text: str) -> tuple[float, float]:
    """The best HELD_S seconds in a row, on average."""
    seconds = []  # opens, share of the core; opens of None: not clean
    for block in text.split("seconds ")[1:]:
        found = {name: sum(counters(block, name)[:1])
                 for name in (*LOST, "skOpen", "skClose", "cpuUsage")}
        clean = found["skOpen"] > 0 and not any(found[name] for name in LOST)
        clean &= found["skClose"] >= KEEPS_UP * found["skOpen"]
        seconds.append((found["skOpen"] if clean else None, found["cpuUsage"] / 100))
    best: tuple[float, float] = (0, 0)
    for first in range(len(seconds) - HELD_S + 1):
        held = [(opens, busy) for opens, busy in seconds[first:first + HELD_S] if opens is not None]
        if len(held) == HELD_S:
            best = max(best, (sum(opens for opens, _ in held) / HELD_S,
                              sum(busy for _, busy in held) / HELD_S))
    if best[0] == 0:
        raise Failed("dperf held no rate: " + " ".join(text.split())[-200:])
    return best


def counters(text: str, name: str) -> list[int]:
    return [int(value.replace(",", "")) for value in re.findall(rf"\b{name} +([\d,]+)", text)]
