"""How little memory: a million idle connections, and the smallest server."""
from __future__ import annotations

import os
from pathlib import Path
from typing import Optional


from .context import Context
from .processes import Children, Failed, NotHere
from .result import Plot, Result, Row
from .salut import Server, bench, configuration, finish_bench, start_bench

TITLE = "Memory"
MIB = 1 << 20
BUDGET = 256 * MIB
SMALLEST = 64 * MIB
NOBODY = 65_534


def run(context: Context, result: Result) -> None:
    sizes = [1_000, 10_000] if context.small else [1_000, 100_000, 1_000_000]
    if len(set(context.cores())) < 2:
        result.rows.append(Row("idle connections", unit="bytes", note="not run: needs two cores"))
    else:
        held = [idle(context, result, count) for count in sizes]
        for side, index in (("server", 0), ("client and load generator", 1)):
            result.rows.append(Row(
                f"{sizes[-1]:,} idle established connections, {side}, all in", held[-1][index],
                "bytes", "lower", BUDGET,
                note="resident pages of the whole process (VmRSS and huge pages) with DPDK, its "
                     "program text and packet buffers, over memif; no bytes are exchanged (64 "
                     "blocks for data), and TIME_WAIT's pages come when they are needed"))
        plot = Plot("Memory of idle connections", "connections", "MiB", log_x=True, log_y=True)
        for side, index in (("server", 0), ("client", 1)):
            plot.add(side, [(count, sizes_[index] / MIB) for count, sizes_ in zip(sizes, held)])
        result.plots.append(plot)
    smallest(context, result)


def idle(context: Context, result: Result, count: int) -> tuple[int, int]:
    """Bytes of the server and of the client while `count` connections are held."""
    cores = context.cores()
    # No bytes are exchanged, hence few blocks; TIME_WAIT for all that will be closed.
    room = max(4_096, count + count // 64)
    files = [salut_end(context, side, room, count, core)
             for side, core in (("server", cores[1]), ("client", cores[0]))]
    with Children() as children:
        serving = Server(context, children, "--config", str(files[0]), "--app", "load")
        child, paths = start_bench(context, children, "--config", str(files[1]), "--connect",
                                   "10.0.0.1:80", "--hold", str(count), "--duration", "2.5")
        child.wait_for(lambda: "(holding)" in child.text(), "sockets held", 60)
        found = serving.child.resident(), child.resident()
        done = finish_bench(child, paths)
        served = serving.stop()
    if done.closed != count or done.failed or served["connections"] != count:
        raise Failed(f"{count} idle: {done.closed} closed, {done.failed} failed, "
                     f"{served['connections']} served")
    result.checksums.append(f"{count} held and closed, 0 failed")
    return found


def salut_end(context: Context, side: str, room: int, count: int, core: int) -> Path:
    return configuration(
        context, f"memif-{side}.toml", f"memif-{side}",
        stack={"connections": room, "time_wait": max(16, count), "buffer_blocks": 64},
        workers={"cores": [core]}, memory={"mbufs": 8_192},
        replace={"/tmp/salut-memif.sock": f"{context.scratch}/memif.sock"})


# ---- the smallest deployment

CONNECTIONS = 1_024


def smallest(context: Context, result: Result) -> None:
    """A server as nobody, on ordinary pages, in a cgroup of so many MiB: does it answer?"""
    what = "the smallest server: a limit of memory in which it answers, no hugepages, no root"
    note = f"{CONNECTIONS} connections at once, 64 bytes each way, virtio-user to vhost-user; "
    try:
        if len(set(context.cores())) < 2:
            raise NotHere("needs two cores")
        works: Optional[int] = None
        resident = 0
        for mib in (64,) if context.small else (64, 48, 32, 24, 16, 12, 10, 8, 6):
            with Limit(context, mib * MIB) as limit:
                answer = answers(context, limit)
            if answer is None:
                break
            works, resident = mib * MIB, answer
        if works is None:
            raise Failed("64 MiB are not enough for the smallest server")
    except NotHere as why:
        result.rows.append(Row(what, unit="bytes", target=SMALLEST, note=f"not run: {why}"))
        return
    result.checksums.append("the smallest answered in 64 MiB")
    result.rows.append(Row(
        what, works, "bytes", "lower", SMALLEST,
        note=note + f"{limit.how}; resident {resident / MIB:.1f} MiB, of which program and "
                    "libraries are shared with whoever else uses them"))


class Limit:
    """A memory cgroup (version 1 or 2) where we may make one, else RLIMIT_DATA."""
    ROOTS = (("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max"),
             ("/sys/fs/cgroup/unified", "memory.max"))

    def __init__(self, context: Context, size: int) -> None:
        self.size = size
        self.group: Optional[Path] = None
        self.prefix = ["prlimit", f"--data={size}"]
        self.how = "prlimit --data (a cgroup may not be made here)"
        for root, name in self.ROOTS if context.is_root else ():
            group = Path(root) / f"{context.tag}-{size // MIB}"
            try:
                group.mkdir()
                (group / name).write_text(str(size), encoding="ascii")
            except OSError:
                if group.exists():
                    group.rmdir()
                continue
            self.group, self.how = group, "memory cgroup"
            self.prefix = ["sh", "-c", f'echo $$ > "{group}/cgroup.procs" && exec "$@"', "sh"]
            break

    def __enter__(self) -> "Limit":
        return self

    def __exit__(self, *_: object) -> None:
        if self.group is not None:
            self.group.rmdir()


SMALLEST_TOML = """name = "{tag}-smallest"
[memory]
hugepages = "off"
mbufs = 1024
[workers]
cores = [{core}]
[stack]
connections = {connections}
time_wait = {connections}
buffer_blocks = 64
lent_frames = 0
[[port]]
name = "wire"
type = "vdev"
vdev = "net_vhost0,iface={folder}/vhost.sock,queues=1"
addresses = ["10.0.0.1/24"]
gateway = "10.0.0.2"
"""


def answers(context: Context, limit: Limit) -> Optional[int]:
    """Bytes that are resident after some thousands of connections; None if it does not work."""
    folder = context.scratch / f"nobody-{limit.size // MIB}"
    folder.mkdir()
    file = folder / "smallest.toml"
    file.write_text(SMALLEST_TOML.format(tag=context.tag, core=context.cores()[1], folder=folder,
                                         connections=CONNECTIONS), encoding="utf-8")
    prefix = list(limit.prefix)
    if context.is_root:
        os.chown(folder, NOBODY, NOBODY)
        prefix += ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    client = configuration(
        context, "vhost-client.toml", "vhost-client", stack={"time_wait": 65_536},
        workers={"cores": [context.cores()[0]]},
        replace={"/tmp/salut-vhost.sock": f"{folder}/vhost.sock"})
    with Children() as children:
        log = context.scratch / "smallest.log"
        child = children.start("the smallest server", [
            *prefix, str(context.salut), "serve", "--config", str(file), "--app", "load", "--port",
            "80", "--request", "64", "--response", "64"], log, cwd=folder)
        try:
            child.wait_for(lambda: "listening on" in child.text(), "'listening on'", 30)
            done = bench(context, children, "--config", str(client), "--connect", "10.0.0.1:80",
                         "--request", "64", "--response", "64", "--concurrency", "500",
                         "--connections", "20000")
            resident = child.resident()
            child.stop()
        except Failed as why:
            context.say(f"in {limit.size // MIB} MiB: {why}")
            return None
        return resident if done.failed == 0 and done.closed == 20_000 else None
