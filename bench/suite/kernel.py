"""The kernel's TCP doing the same: bench/kernel_connections over a veth pair, or over loopback.

Two network namespaces, each held open by a process of ours, so that both are gone when we are.
TIME_WAIT is left as it is (60 s), with room for all of it and addresses enough for the ports.
"""
from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any, Optional

from .context import Context
from .processes import Child, Children, Failed, NotHere
from .salut import read_latencies

SERVER, PORT, LOCALS = "10.99.0.2", "80", 250
NAME = "Linux, epoll, veth"


class Space:
    """A network namespace."""

    def __init__(self, context: Context, children: Children, name: str) -> None:
        if not context.is_root:
            raise NotHere("needs root")
        for tool in ("unshare", "nsenter", "ip", "sysctl"):
            if not which(tool):
                raise NotHere(f"needs {tool}")
        self.child = children.start(f"namespace {name}", ["unshare", "--net", "sleep", "infinity"],
                                    context.scratch / f"{name}.log")
        ours = Path("/proc/self/ns/net").readlink()
        try:
            self.child.wait_for(
                lambda: Path(f"/proc/{self.child.pid}/ns/net").readlink() != ours, "namespace", 10)
        except (Failed, OSError) as why:
            raise NotHere(f"needs network namespaces ({why})") from None
        self.run("ip", "link", "set", "lo", "up")

    @property
    def prefix(self) -> list[str]:
        return ["nsenter", f"--net=/proc/{self.child.pid}/ns/net"]

    def run(self, *argv: str) -> None:
        done = subprocess.run([*self.prefix, *argv], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise NotHere(f"{' '.join(argv)}: {done.stderr.strip() or done.stdout.strip()}")

    def set(self, *assignments: str) -> None:
        for assignment in assignments:
            self.run("sysctl", "-qw", assignment)


def which(tool: str) -> Optional[str]:
    return shutil.which(tool) or shutil.which(tool, path="/usr/sbin:/sbin")


def _roomy(space: Space) -> None:
    space.set("net.ipv4.ip_local_port_range=1024 65535", "net.ipv4.tcp_max_tw_buckets=4000000",
              "net.core.somaxconn=65535", "net.ipv4.tcp_max_syn_backlog=65535")


def veth_pair(context: Context, children: Children) -> tuple[Space, Space]:
    client, server = (Space(context, children, name) for name in ("client-net", "server-net"))
    client.run("ip", "link", "add", "veth0", "type", "veth", "peer", "name", "veth0", "netns",
               str(server.child.pid))
    for space, address in ((client, "10.99.0.1/16"), (server, f"{SERVER}/16")):
        space.run("ip", "address", "add", address, "dev", "veth0")
        space.run("ip", "link", "set", "veth0", "up")
        _roomy(space)
    client.run("ip", "route", "add", "local", "10.99.1.0/24", "dev", "lo")
    return client, server


def loopback(context: Context, children: Children) -> tuple[Space, Space]:
    space = Space(context, children, "loopback-net")
    space.run("ip", "address", "add", f"{SERVER}/32", "dev", "lo")
    space.run("ip", "route", "add", "local", "10.99.1.0/24", "dev", "lo")
    _roomy(space)
    return space, space


class KernelRun:
    def __init__(self, client: dict[str, Any], server: dict[str, Any], latencies: Path) -> None:
        self.client, self.server = client, server
        self._latencies = latencies

    @property
    def cps(self) -> float:
        return self.client["connections"] / self.client["seconds"]

    @property
    def failed(self) -> int:
        return self.client["failed"] + self.server["failed"]

    def cpu_seconds(self) -> float:
        """Per connection and side. What the receiver's softirq does runs in the sender's call, so
        that the two ends cannot be told apart: half of both."""
        both = self.client["cpu"] + self.server["cpu"]
        return both / 2 / max(1, self.client["connections"])

    @property
    def latencies(self) -> list[tuple[float, int]]:
        return read_latencies(self._latencies)


def program(context: Context) -> str:
    path = context.build / "bench" / "kernel_connections"
    if not path.exists():
        raise NotHere("needs build/bench/kernel_connections")
    return str(path)


def start_server(context: Context, children: Children, space: Space, address: str, bytes_each: int,
                 core: int) -> Child:
    child = children.start("kernel server", [
        *space.prefix, "taskset", "-c", str(core), program(context), "serve", address, PORT,
        str(bytes_each), str(bytes_each)], context.scratch / "kernel-server.log")
    child.wait_for(lambda: "ready" in child.text(), "'ready'", 10)
    return child


def result_of(child: Child) -> dict[str, Any]:
    return json.loads(child.text().splitlines()[-1])


def run(context: Context, client: Space, server: Space, bytes_each: int, concurrency: int,
        seconds: float) -> KernelRun:
    """One run; bytes_each 0: bare connections that the client closes."""
    latencies = context.scratch / "kernel.csv"
    cores = context.cores()
    with Children() as children:
        served = start_server(context, children, server, SERVER, bytes_each, cores[1])
        context.say(f"kernel_connections, {bytes_each} bytes each way, {concurrency} at once")
        opener = children.start("kernel client", [
            *client.prefix, "taskset", "-c", str(cores[0]), program(context), "open", SERVER, PORT,
            str(bytes_each), str(bytes_each), str(concurrency), str(seconds), str(LOCALS),
            str(latencies)], context.scratch / "kernel-client.log")
        opener.check(seconds + 30)
        served.stop()
        return KernelRun(result_of(opener), result_of(served), latencies)
