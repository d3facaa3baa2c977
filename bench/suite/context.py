"""What a run of the suite is given: where things are, how large, and the directory to work in."""
from __future__ import annotations

import os
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from . import machine


@dataclass
class Context:
    root: Path
    small: bool
    scratch: Path
    tag: str  # unique among all runs of this moment: names of instances

    @property
    def build(self) -> Path:
        return self.root / "build"

    @property
    def salut(self) -> Path:
        return self.build / "salut"

    @property
    def is_root(self) -> bool:
        return os.geteuid() == 0

    def pick(self, full: object, small: object) -> str:
        """The size of this run, as a flag."""
        return str(small if self.small else full)

    def cores(self) -> tuple[int, int]:
        """The client's and the server's; a machine with one has both on it."""
        ours = machine.cores()
        return ours[0], ours[-1]

    def say(self, text: str) -> None:
        print(f"  {text.replace(str(self.root) + '/', '').replace(str(self.scratch) + '/', '')}",
              file=sys.stderr, flush=True)


class Scratch:
    """A directory with a short path (sockets live in it) that goes away, and with it what instances
    left that were killed: their locks, and DPDK's directories of their prefixes."""

    def __init__(self, tag: str) -> None:
        self.tag = tag

    def __enter__(self) -> Path:
        # /tmp and not TMPDIR: a socket's path has 108 letters.
        self.path = Path(tempfile.mkdtemp(prefix="salut-bench.", dir="/tmp"))
        os.chmod(self.path, 0o755)
        return self.path

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
        for lock in Path("/tmp").glob(f"salut-{self.tag}-*.lock"):
            lock.unlink(missing_ok=True)
        for runtime in ("/var/run", "/tmp", os.environ.get("XDG_RUNTIME_DIR", "/tmp")):
            for left in Path(runtime, "dpdk").glob(f"{self.tag}-*"):
                shutil.rmtree(left, ignore_errors=True)
