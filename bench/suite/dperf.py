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

from . import machine
from .context import Context
from .processes import Child, Children, Failed, NotHere
from .result import Result, Row

WHAT = "connections per second, memif, beside dperf with 64 bytes each way"
NAME = "dperf, memif (no TIME_WAIT, no RX checksum)"
SECONDS = 8
PORT = "net_memif000"  # the length of a PCI address, which dperf asks for
RATES = (2_000_000, 1_600_000, 1_300_000, 1_000_000, 700_000)


def row(context: Context, result: Result) -> Row:
    """Ours is the row of memif with 64 bytes there and back, measured before."""
    ours = next((row for row in result.rows if row.what.startswith(
        "connections per second, memif, 64 bytes")), None)
    figure = ours.figure if ours else None
    line = Row(WHAT, figure, "CPS", "higher", None, NAME)
    try:
        rate, note = run(context)
    except (NotHere, Failed) as why:
        line.note = f"dperf was not run: {why}"
        return line
    return Row(WHAT, figure, "CPS", "higher", None, NAME, rate, note=note)


def run(context: Context) -> tuple[float, str]:
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
    tried = []
    for rate in RATES:
        came, errors, busy = attempt(context, program, shim, rate)
        tried.append(f"{rate:,} asked: {came:,.0f} came, {errors:,} errors or retransmissions")
        # Clean: what was asked came, and nothing was lost or sent again.
        if came > 0.98 * rate and errors == 0:
            return came, f"clean at {rate:,}; client {busy:.0f} % busy; " + "; ".join(tried[:-1])
    return came, "never clean: " + "; ".join(tried)


def configuration(context: Context, side: str, rate: int, core: int) -> Path:
    local, gateway = ("10.0.0.1", "10.0.0.2") if side == "server" else ("10.0.0.2", "10.0.0.1")
    lines = [f"mode {side}", f"cpu {core}", f"duration {SECONDS + (6 if side == 'server' else 0)}s",
             "payload_size 64", f"port {PORT} {local} {gateway}", "client 10.0.0.100 100",
             "server 10.0.0.1 1", "listen 80 1", "tx_burst 64"]
    if side == "client":
        lines += [f"cps {rate}", "slow_start 2", "launch_num 32"]
    path = context.scratch / f"dperf-{side}.conf"
    path.write_text("\n".join(lines) + "\n", encoding="ascii")
    return path


def attempt(context: Context, program: str, shim: Path, rate: int) -> tuple[float, int, float]:
    context.say(f"dperf, {rate:,} per second")
    huge = machine.meminfo("HugePages_Free") * 2 >= 2 * 400
    memory = "--socket-mem=400" if huge else "--no-huge -m 1024"
    cores = context.cores()
    with Children() as children:
        def start(side: str, core: int) -> Child:
            vdev = (f"{PORT},role={side},id=0,socket={context.scratch}/dperf.sock,"
                    "socket-abstract=no,bsize=2048,rsize=11")
            return children.start(
                f"dperf {side}", [program, "-c", str(configuration(context, side, rate, core))],
                context.scratch / f"dperf-{side}.log", cwd=context.scratch,
                env={"LD_PRELOAD": str(shim),
                     "DPERF_EAL": f"--no-pci --file-prefix={context.tag}-dperf-{side} {memory} "
                                  f"--vdev {vdev}"})
        server = start("server", cores[1])
        server.wait_for(lambda: (context.scratch / "dperf.sock").exists(), "socket", 20)
        client = start("client", cores[0])
        client.wait(SECONDS + 40)
        return read(client.text())


def counters(text: str, name: str) -> list[int]:
    return [int(value.replace(",", "")) for value in re.findall(rf"\b{name} +([\d,]+)", text)]


def read(text: str) -> tuple[float, int, float]:
    """The rate of the steady seconds, errors, how busy. A line of each counter a second."""
    opened = counters(text, "skOpen")
    if len(opened) < 5:
        raise Failed("dperf printed no figures: " + " ".join(text.split())[-200:])
    steady = sorted(opened[3:SECONDS - 1]) or [0]
    errors = sum(sum(counters(text, name)[3:SECONDS - 1])
                 for name in ("skErr", "synRt", "finRt", "ackRt", "pushRt"))
    busy = counters(text, "cpuUsage")
    return float(steady[len(steady) // 2]), errors, float(max(busy or [0]))
