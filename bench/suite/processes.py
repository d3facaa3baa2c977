"""Processes that are gone when we are: after a failure, a signal, and (by PDEATHSIG) kill -9."""
from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Callable, Optional, Sequence

PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


class Failed(Exception):
    """A program did not do what a figure needs; one line says what."""


class NotHere(Exception):
    """This machine lacks what a row needs: the row says so, and is not run."""


def die_on_signals() -> None:
    """A signal becomes an exit, so that `with` and `finally` clean up; a second one is ignored."""
    def stop(number: int, _frame: object) -> None:
        for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(each, signal.SIG_IGN)
        sys.exit(128 + number)
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, stop)


def _dies_with_us() -> None:
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


class Child:
    def __init__(self, name: str, argv: Sequence[str], log: Path, cwd: Optional[Path] = None,
                 env: Optional[dict[str, str]] = None) -> None:
        self.name, self.argv, self.log = name, [str(word) for word in argv], log
        self.peak = 0  # bytes, of what watch_memory() saw
        with open(log, "wb") as out:
            self.process = subprocess.Popen(
                self.argv, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, cwd=cwd,
                env=None if env is None else {**os.environ, **env}, preexec_fn=_dies_with_us)

    @property
    def pid(self) -> int:
        return self.process.pid

    def text(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def last_words(self) -> str:
        lines = [line for line in self.text().splitlines() if line.strip()]
        return lines[-1] if lines else "without a word"

    def wait(self, seconds: float) -> int:
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Failed(f"{self.name}: not done after {seconds:.0f} s") from None

    def check(self, seconds: float) -> None:
        status = self.wait(seconds)
        if status != 0:
            raise Failed(f"{self.name}: exit status {status}: {self.last_words()}")

    def wait_for(self, condition: Callable[[], bool], what: str, seconds: float = 60) -> None:
        until = time.monotonic() + seconds
        while not condition():
            if self.process.poll() is not None:
                raise Failed(f"{self.name} ended before {what}: {self.last_words()}")
            if time.monotonic() > until:
                raise Failed(f"{self.name}: no {what} in {seconds:.0f} s")
            time.sleep(0.02)

    def stop(self, seconds: float = 60) -> None:
        """SIGTERM, and then status 0, soon."""
        self.process.terminate()
        self.check(seconds)

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def resident(self) -> int:
        """Bytes of memory that are there for it, its huge pages included."""
        total = 0
        try:
            with open(f"/proc/{self.pid}/status", encoding="ascii", errors="replace") as file:
                for line in file:
                    if line.startswith(("VmRSS:", "HugetlbPages:")):
                        total += int(line.split()[1]) * 1024
        except OSError:
            pass
        return total

    def watch_memory(self) -> None:
        """Keeps the highest resident() in `peak` until the process ends."""
        def look() -> None:
            while self.process.poll() is None:
                self.peak = max(self.peak, self.resident())
                time.sleep(0.05)
        threading.Thread(target=look, daemon=True).start()


class Children:
    """All that were started under it end with it, those started last first."""

    def __init__(self) -> None:
        self.all: list[Child] = []

    def __enter__(self) -> "Children":
        return self

    def start(self, name: str, argv: Sequence[str], log: Path, cwd: Optional[Path] = None,
              env: Optional[dict[str, str]] = None) -> Child:
        child = Child(name, argv, log, cwd, env)
        self.all.append(child)
        return child

    def __exit__(self, *_: object) -> None:
        left = [child for child in reversed(self.all) if child.process.poll() is None]
        for child in left:
            child.process.send_signal(signal.SIGCONT)
            child.process.terminate()
        until = time.monotonic() + 10
        for child in left:
            try:
                child.process.wait(max(0.1, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.kill()
        self.all.clear()
