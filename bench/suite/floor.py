#!/usr/bin/python3
"""What a port costs without a stack: dpdk-testpmd's io forwarding, in cycles per packet.

    bench/suite/floor.py [--seconds=N] [--rows=FILE]

One process forwards bursts between the two ends of a port in memory (net_ring, its own loop), and
two processes between the ends of a virtio-user/vhost-user connection. testpmd counts the cycles of
turns that had packets itself (`set record-core-cycles on`). No root, no hugepages. Status 77: there
is no dpdk-testpmd here.
"""
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

MBUFS = 4096
CYCLES = re.compile(r"CPU cycles/packet=\s*([0-9.]+)")


class Forwarder:
    """One testpmd that is told what to do on its standard input."""

    def __init__(self, where: str, name: str, vdev: str, core: int) -> None:
        self.log = os.path.join(where, name + ".log")
        self.prefix = "salut-floor-%d-%s" % (os.getpid(), name)
        command = ["stdbuf", "-oL", "dpdk-testpmd", "--lcores", "0@%d,1@%d" % (core, core),
                   "--no-pci", "--no-huge", "-m", "256", "--no-telemetry",
                   "--file-prefix=" + self.prefix,
                   "--vdev", vdev, "--", "-i", "--forward-mode=io", "--port-topology=loop",
                   "--total-num-mbufs=%d" % MBUFS, "--burst=32"]
        with open(self.log, "wb") as out:
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=out,
                                            stderr=subprocess.STDOUT, cwd=where)

    def tell(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write((line + "\n").encode())
        self.process.stdin.flush()

    def text(self) -> str:
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return file.read()

    def wait_for(self, what: str, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while what not in self.text():
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise RuntimeError("no '%s' from testpmd:\n%s" % (what, self.text()[-2000:]))
            time.sleep(0.05)

    def end(self) -> None:
        if self.process.poll() is None:
            try:
                self.tell("quit")
                self.process.wait(5)
            except (OSError, subprocess.TimeoutExpired):
                self.process.kill()
                self.process.wait()
        for runs in ("/var/run", "/tmp", os.environ.get("XDG_RUNTIME_DIR", "/tmp")):
            shutil.rmtree(os.path.join(runs, "dpdk", self.prefix), ignore_errors=True)


def cycles(vdevs: list[str], seconds: float) -> list[float]:
    """Cycles per packet of each end; the packets that the last one sends first go round."""
    with tempfile.TemporaryDirectory(prefix="salut-floor-") as where:
        ends: list[Forwarder] = []
        cores = sorted(os.sched_getaffinity(0))
        try:
            for at, vdev in enumerate(vdevs):
                ends.append(Forwarder(where, "end%d" % at, vdev, cores[at % len(cores)]))
                ends[-1].wait_for("testpmd> ", 20)
            for end in ends:
                end.tell("set record-core-cycles on")
            for end in ends:
                end.tell("start tx_first 16" if end is ends[-1] else "start")
            time.sleep(seconds)
            for end in ends:
                end.tell("stop")
            for end in ends:
                end.wait_for("Done.", 10)
            found = [CYCLES.findall(end.text()) for end in ends]
            if not all(found):
                raise RuntimeError("testpmd counted no packets:\n" + ends[0].text()[-2000:])
            return [float(each[-1]) for each in found]
        finally:
            for end in ends:
                end.end()


def main() -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # the folder goes
    options = dict(word.lstrip("-").split("=", 1) for word in sys.argv[1:]
                   if word.startswith("--"))
    if shutil.which("dpdk-testpmd") is None:
        print("needs dpdk-testpmd")
        return 77
    seconds = float(options.get("seconds", "2"))
    rows: list[dict[str, object]] = []
    ports = {"net_ring, one process": ["net_ring0"],
             "vhost-user and virtio-user, two processes": [
                 "net_vhost0,iface=floor.sock,queues=1",
                 "net_virtio_user0,path=floor.sock,queues=1,queue_size=1024"]}
    for name, vdevs in ports.items():
        figures = cycles(vdevs, seconds)
        print("%-45s %s cycles per packet" % (name, ", ".join("%.1f" % f for f in figures)))
        rows.append({"what": "testpmd io forwarding over %s: the floor" % name,
                     "figure": figures[0], "unit": "cycles per packet", "better": "lower",
                     "target": None, "alternative": None, "alternative_figure": None,
                     "ratio": None,
                     "note": "the other end %.1f" % figures[1] if len(figures) > 1 else ""})
    if "rows" in options:
        with open(options["rows"], "w", encoding="utf-8") as file:
            json.dump({"rows": rows, "plots": [], "notes": [], "checksum": "ports=%d" % len(ports)},
                      file, indent=2)
    return 0


if __name__ == "__main__":
    sys.exit(main())
