"""One connection at a time: what batching costs whoever is alone.

Runs are of so many connections, not of so many seconds: all of them count.
"""
from __future__ import annotations

import signal
import subprocess
import time
from typing import Optional

from . import kernel, wires
from .context import Context
from .processes import Child, Children, Failed, NotHere
from .result import Plot, Result, Row
from .salut import (Run, Server, bench, configuration, distribution, finish_bench, percentile,
                    start_bench)
from .wires import MEMIF

TITLE = "Latency"
Latencies = list[tuple[float, int]]


def run(context: Context, result: Result) -> None:
    plot = Plot("Handshakes, one connection at a time", "microseconds",
                "% that took at most so long", log_x=True)
    embedded = alone(context, result).latencies
    plot.add("salut, embedded wire", distribution(embedded))
    loop = of_kernel(context, result, "loopback")
    add(result, "embedded wire", embedded, "Linux, loopback", loop)
    tap, veth = over_tap(context, result), of_kernel(context, result, "veth")
    add(result, "TAP to the kernel's server", tap, "Linux, loopback", loop)
    add(result, "TAP to the kernel's server, beside a veth pair", tap, "Linux, veth", veth)
    among_idle(context, result)
    for name, latencies in (("Linux, loopback", loop), ("salut, TAP", tap), ("Linux, veth", veth)):
        if latencies:
            plot.add(name, distribution(latencies))
    result.plots.append(plot)


def add(result: Result, where: str, ours: Optional[Latencies], other: str,
        theirs: Optional[Latencies]) -> None:
    for name, percent in (("p50", 50), ("p99", 99)):
        result.rows.append(Row(
            f"handshake {name}, one at a time, {where}",
            percentile(ours, percent) if ours else None, "us", "lower", None, other,
            percentile(theirs, percent) if theirs else None,
            note=f"{sum(count for _, count in ours):,} handshakes" if ours else
            "not run: " + next((note for note in reversed(result.notes) if where[:3] in note),
                               "nothing was measured")))


def alone(context: Context, result: Result) -> Run:
    with Children() as children:
        run_ = bench(context, children, "--concurrency", "1", "--connections",
                     context.pick(1_000_000, 2_000))
    if run_.failed:
        raise Failed(f"one at a time: {run_.failed} failed")
    if context.small:
        result.checksums.append(f"one at a time: {run_.closed} closed, 0 failed")
    return run_


# ---- the kernel

def of_kernel(context: Context, result: Result, kind: str) -> Optional[Latencies]:
    try:
        with Children() as children:
            make = kernel.loopback if kind == "loopback" else kernel.veth_pair
            client, server = make(context, children)
            done = kernel.run(context, client, server, 0, 1, 0.3 if context.small else 3)
            if done.client["connections"] == 0:
                raise Failed(f"{kind}: the kernel opened nothing")
            return done.latencies
    except NotHere as why:
        result.notes.append(f"Linux over {kind} was not measured: {why}")
        return None


def over_tap(context: Context, result: Result) -> Optional[Latencies]:
    """Our client, the kernel's server, in a namespace of their own."""
    try:
        with Children() as children:
            space = kernel.Space(context, children, "tap-net")
            kernel.start_server(context, children, space, "0.0.0.0", 0, context.cores()[1])
            child, paths = start_bench(
                context, children, "--interface", "tap0", "--address", "10.99.0.3/16", "--connect",
                f"{kernel.SERVER}:{kernel.PORT}", "--local", "10.99.2.1-10.99.2.9", "--cores",
                str(context.cores()[0]), "--concurrency", "1", "--connections",
                context.pick(30_000, 500), prefix=space.prefix)
            child.wait_for(lambda: has_interface(space, "tap0"), "TAP", 30)
            space.run("ip", "address", "add", f"{kernel.SERVER}/16", "dev", "tap0")
            space.run("ip", "link", "set", "tap0", "up")
            run_ = finish_bench(child, paths)
            if run_.failed:
                raise Failed(f"over a TAP: {run_.failed} failed")
            if context.small:
                result.checksums.append(f"over a TAP: {run_.closed} closed, 0 failed")
            return run_.latencies
    except NotHere as why:
        result.notes.append(f"the TAP was not measured: {why}")
        return None


def has_interface(space: kernel.Space, name: str) -> bool:
    return subprocess.run([*space.prefix, "ip", "link", "show", name], capture_output=True,
                          check=False).returncode == 0


# ---- among a million that do nothing

SECOND_PORT = """
[[port]]
name = "second"
type = "vdev"
vdev = "net_memif1,role=server,socket={scratch}/memif-1.sock,socket-abstract=no,bsize=2048"
addresses = ["10.0.1.1/24"]

[[route]]
to = "10.2.0.0/16"
via = "10.0.1.2"
port = "second"
"""


def among_idle(context: Context, result: Result) -> None:
    """A server with a wire to whoever holds the idle ones (and then stands still, so that its core
    is free) and a wire to the client that opens one at a time."""
    idle = 1_000 if context.small else 1_000_000
    what = f"handshake p50, one at a time, memif, among {idle:,} idle sockets"
    if len(set(context.cores())) < 2:
        result.rows.append(Row(what, unit="us", note="not run: needs two cores"))
        return
    cores = context.cores()
    server = wires.end(context, MEMIF, "server", wires.settings(16, True, idle + 65_536), cores[1])
    with open(server, "a", encoding="utf-8") as file:
        file.write(SECOND_PORT.format(scratch=context.scratch))
    holder = wires.end(context, MEMIF, "client", wires.settings(16, True, idle + 4_096), cores[0],
                       prefault=False)
    client = configuration(
        context, "memif-client.toml", "memif-client-1",
        stack=wires.settings(2_000_000, True), workers={"cores": [cores[0]]},
        replace={"/tmp/salut-memif.sock": f"{context.scratch}/memif-1.sock",
                 "10.0.0.2/24": "10.0.1.2/24", "10.1.0.0/16": "10.2.0.0/16"})
    with Children() as children:
        serving = Server(context, children, "--config", str(server), "--app", "load")

        def one_at_a_time(name: str) -> Run:
            run_ = bench(context, children, "--config", str(client), "--connect", "10.0.1.1:80",
                         "--concurrency", "1", "--connections", context.pick(300_000, 1_000),
                         name=name)
            if run_.failed:
                raise Failed(f"{name}: {run_.failed} failed")
            return run_
        before = one_at_a_time("alone")
        holding, _ = start_bench(context, children, "--config", str(holder), "--connect",
                                 "10.0.0.1:80", "--hold", str(idle), "--duration", "600",
                                 name="hold")
        holding.wait_for(lambda: "(holding)" in holding.text(), "sockets held", 60)
        stand_still(holding)
        among = one_at_a_time("among")
        holding.kill()  # its sockets are not of interest any more
        serving.child.kill()
    if context.small:
        result.checksums.append(f"among {idle:,} idle: {among.closed} closed, 0 failed")
    for name, better in (("p50", True), ("p99", False)):
        empty, full = before.handshake(name), among.handshake(name)
        result.rows.append(Row(
            what.replace("p50", name), full, "us", "lower", 1.1 * empty if better else None,
            "the same server, no other socket", empty,
            note="target: at most a tenth more than without them" if better else ""))


def stand_still(child: Child) -> None:
    child.process.send_signal(signal.SIGSTOP)
    time.sleep(0.1)
