"""Client and server on a wire: in one process, or as two joined by memif or vhost-user."""
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

from . import salut
from .context import Context
from .processes import Children


@dataclass(frozen=True)
class Kind:
    """What each connection does."""
    name: str
    bytes_each: int
    coalesce: bool

    @property
    def exchange(self) -> list[str]:
        """Flags that bench and serve share."""
        if self.bytes_each == 0:
            return []
        size = str(self.bytes_each)
        return ["--request", size, "--response", size, "--close", "server"]


SMALL = Kind("64 bytes there and back", 64, True)
BARE = Kind("bare, each ACK alone", 0, False)
KINDS = (SMALL, BARE)


@dataclass(frozen=True)
class Wire:
    key: str
    name: str
    driver: str  # of the two processes; empty: one process

    @property
    def pair(self) -> bool:
        return self.driver != ""


EMBEDDED = Wire("loop", "embedded wire", "")
MEMIF = Wire("memif", "memif", "memif")
VHOST = Wire("vhost", "virtio-user/vhost-user", "vhost")
WIRES = (EMBEDDED, MEMIF, VHOST)


class Ended:
    """What both ends said."""

    def __init__(self, run: salut.Run, served: Optional[dict[str, Any]]) -> None:
        self.run, self.served = run, served

    @property
    def cps(self) -> float:
        return self.run.cps

    @property
    def client_cycles(self) -> float:
        return self.run.cycles("client")

    @property
    def server_cycles(self) -> float:
        if self.served:
            return self.served["server"]["busy_cycles_per_connection"]
        return self.run.cycles("server")

    @property
    def retransmitted(self) -> int:
        return self.run.retransmitted + (self.served["server"]["retransmits"] if self.served else 0)

    @property
    def dropped(self) -> int:
        theirs = sum(self.served["server"]["drops"].values()) if self.served else 0
        return self.run.dropped + theirs

    @property
    def time_wait(self) -> int:
        theirs = self.served["server"]["states"]["TIME_WAIT"] if self.served else 0
        return self.run.time_wait() + theirs

    @property
    def searched(self) -> bool:
        """By --max: what the rates that did not hold lost is no fault of the one that did."""
        return "highest rate" in self.run.text

    @property
    def clean(self) -> bool:
        return self.run.failed == 0 and self.retransmitted == 0 and self.dropped == 0


# What the kernel takes to zero a page is no cost of the stack, and no pause of its loop.
PAGES = {"prefault": True, "prefault_time_wait": True}


def settings(time_wait: int, coalesce: bool, connections: int = 65_536) -> dict[str, Any]:
    return {"time_wait": time_wait, "coalesce": coalesce, "connections": connections,
            "buffer_blocks": max(16_384, min(connections, 262_144))}


def run(context: Context, wire: Wire, kind: Kind, how: list[str], time_wait: int) -> Ended:
    """Opens as the flags `how` say."""
    room = 65_536
    cores = list(context.cores())
    if not wire.pair:
        config = salut.configuration(context, "loop.toml", "loop",
                                     stack=settings(time_wait, kind.coalesce, room),
                                     workers={"cores": cores}, memory=PAGES)
        with Children() as children:
            return Ended(salut.bench(context, children, "--config", str(config), *kind.exchange,
                                     *how), None)
    closers = (16, time_wait) if kind.bytes_each else (time_wait, 16)  # client, server
    server = end(context, wire, "server", settings(closers[1], kind.coalesce, room), cores[1])
    client = end(context, wire, "client", settings(closers[0], kind.coalesce, room), cores[0])
    with Children() as children:
        serving = salut.Server(context, children, "--config", str(server), "--app", "load",
                               *kind.exchange)
        run_ = salut.bench(context, children, "--config", str(client), "--connect", "10.0.0.1:80",
                           *kind.exchange, *how)
        return Ended(run_, serving.stop())


def end(context: Context, wire: Wire, side: str, stack: dict[str, Any], core: int,
        prefault: bool = True, number: int = 0) -> Path:
    """The configuration of one end of a pair, its socket in the scratch directory."""
    suffix = "" if number == 0 else f"-{number}"
    return salut.configuration(
        context, f"{wire.driver}-{side}.toml", f"{wire.driver}-{side}{suffix}", stack=stack,
        workers={"cores": [core]}, memory=PAGES if prefault else {"prefault": False},
        replace={f"/tmp/salut-{wire.driver}.sock": f"{context.scratch}/{wire.driver}{suffix}.sock"})
