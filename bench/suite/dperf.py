"""dperf (github.com/baidu/dperf) over memif: the fastest peer that we know. Not in Debian, so the
row is run where DPERF names the program.

dperf takes only PCI addresses for ports, and hands them to EAL; build/bench/dperf_eal.so, loaded in
front of it, gives EAL the memif instead and keeps it from probing any card.
"""
from __future__ import annotations

import os
import re
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Optional

from . import machine
from .context import Context
from .processes import Child, Children, Failed, NotHere
from .result import Result, Row

NAME = "dperf, memif (no TIME_WAIT, no RX checksum)"
PORT = "net_memif000"  # the length of a PCI address, which dperf asks for
# Its slow start is a ramp of at least ten seconds: the best of its clean seconds is what it can do.
TARGET, RAMP_S = 2_000_000, 10
SECONDS = RAMP_S + 3
LOST = ("skErr", "synRt", "finRt", "ackRt", "pushRt", "dropTx")


def rows(context: Context, result: Result, hz: float) -> list[Row]:
    """Ours are the rows of memif with 64 bytes there and back, measured before."""
    def ours(start: str) -> Optional[float]:
        return next((row.figure for row in result.rows if row.what.startswith(start)), None)
    speed = Row("connections per second, memif, beside dperf, 64 bytes there and back",
                ours("connections per second, memif, 64"), "CPS", "higher", None, NAME)
    cost = Row("busy cycles per connection, client, memif, beside dperf",
               ours("busy cycles per connection, client, memif, 64"), "cycles", "lower", None, NAME)
    try:
        rate, busy, note = run(context)
    except (NotHere, Failed) as why:
        note = f"not run: {why}"
        return [replace(row, figure=None, alternative=None, ratio=None, note=note)
                for row in (speed, cost)]
    command = "DPERF=… bench/run connections"
    return [replace(speed, target=rate, alternative_figure=rate, ratio=None, note=note,
                    command=command),
            replace(cost, target=busy * hz / rate, alternative_figure=busy * hz / rate, ratio=None,
                    note=note, command=command)]


def run(context: Context) -> tuple[float, float, str]:
    """Connections per second, the share of the client's core that they took, and a note."""
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
    return attempt(context, program, shim)


def configuration(context: Context, side: str, core: int) -> Path:
    local, gateway = ("10.0.0.1", "10.0.0.2") if side == "server" else ("10.0.0.2", "10.0.0.1")
    lines = [f"mode {side}", f"cpu {core}", f"duration {SECONDS + (6 if side == 'server' else 0)}s",
             "payload_size 64", f"port {PORT} {local} {gateway}", "client 10.0.0.100 62",
             "server 10.0.0.1 1", "listen 80 1", "tx_burst 64"]
    if side == "client":
        lines += [f"cps {TARGET}", f"slow_start {RAMP_S}"]
    path = context.scratch / f"dperf-{side}.conf"
    path.write_text("\n".join(lines) + "\n", encoding="ascii")
    return path


def attempt(context: Context, program: str, shim: Path) -> tuple[float, float, str]:
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


def read(text: str) -> tuple[float, float, str]:
    """The best second before the first in which something was lost or sent again."""
    seconds = text.split("seconds ")[1:]  # one block a second
    best, busy, lost = 0, 0, ""
    for number, block in enumerate(seconds):
        found = {name: counters(block, name) for name in (*LOST, "skOpen", "cpuUsage")}
        if not found["skOpen"]:
            continue
        errors = {name: sum(found[name][:1]) for name in LOST if sum(found[name][:1]) != 0}
        if errors:
            lost = f"; second {number}: " + ", ".join(f"{n} {v:,}" for n, v in errors.items())
            break
        # More than was asked is what a second before had left behind.
        if best < found["skOpen"][0] <= 1.01 * TARGET:
            best, busy = found["skOpen"][0], sum(found["cpuUsage"][:1])
    if best == 0:
        raise Failed("it printed no figures: " + " ".join(text.split())[-200:])
    return best, busy / 100, (f"its best clean second of a ramp to {TARGET:,}, client {busy} % "
                              f"busy{lost}")


def counters(text: str, name: str) -> list[int]:
    return [int(value.replace(",", "")) for value in re.findall(rf"\b{name} +([\d,]+)", text)]
