"""Drives a puppet (a stack at one end of a TAP) and processes of the kernel at the other.

A wire test sources lib.sh, makes a namespace and a configuration and runs its story in Python
there: `puppet_story NAME <<'PYTHON'`, with what is in this file at hand. The kernel's side of a
connection lives in a Peer, a process of its own, so that it can be killed.
"""

import hashlib
import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time

PATIENCE_S = 30


class Talker:
    """A process that is told lines and says lines; both are shown as they come."""

    def __init__(self, name, command):
        self.name = name
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        self.lines = queue.Queue()
        self.unread = []
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        for line in self.process.stdout:
            self.lines.put(line.rstrip("\n"))
        self.lines.put(None)

    def tell(self, line):
        log(f"{self.name} < {line}")
        self.process.stdin.write(line + "\n")

    def expect(self, pattern, patience_s=PATIENCE_S):
        """The match of the first line that matches as a whole; other lines wait for their turn."""
        deadline = time.monotonic() + patience_s
        for i, line in enumerate(self.unread):
            match = re.fullmatch(pattern, line)
            if match:
                del self.unread[i]
                return match
        while True:
            try:
                line = self.lines.get(timeout=max(deadline - time.monotonic(), 0))
            except queue.Empty:
                fail(f"{self.name} did not say '{pattern}' in {patience_s} s; "
                     f"unread: {self.unread}")
            if line is None:
                fail(f"{self.name} ended and did not say '{pattern}'; unread: {self.unread}")
            log(f"{self.name} > {line}")
            match = re.fullmatch(pattern, line)
            if match:
                return match
            self.unread.append(line)

    def silent(self, pattern, for_s=0):
        """Nothing that matches was or is said."""
        end = time.monotonic() + for_s
        while True:
            try:
                line = self.lines.get(timeout=max(end - time.monotonic(), 0))
            except queue.Empty:
                break
            if line is None:
                break
            log(f"{self.name} > {line}")
            self.unread.append(line)
        for line in self.unread:
            if re.fullmatch(pattern, line):
                fail(f"{self.name} said '{line}'")


class Puppet(Talker):
    def __init__(self, program, config):
        super().__init__("puppet", [program, config])
        self.expect("- ready")

    def do(self, name, words):
        self.tell(f"{name} {words}")

    def state(self, name):
        self.tell(f"{name} state")
        return self.expect(f"{name} state (.*)")[1]

    def wait_for_state(self, name, state, patience_s=PATIENCE_S):
        deadline = time.monotonic() + patience_s
        while (now := self.state(name)) != state:
            if time.monotonic() > deadline:
                fail(f"{name} is in {now}, not {state}")
            time.sleep(0.02)

    def count(self, which):
        """{state: count} of `sockets` or `entered`."""
        self.tell(f"- {which}")
        words = self.expect(f"- {which} (.*)")[1]
        if words == "none":
            return {}
        return {k: int(v) for k, v in (w.split() for w in words.split("  "))}

    def wait_for_sockets(self, wanted, patience_s=PATIENCE_S):
        deadline = time.monotonic() + patience_s
        while (now := self.count("sockets")) != wanted:
            if time.monotonic() > deadline:
                fail(f"sockets are {now}, not {wanted}")
            time.sleep(0.1)

    def stop(self):
        """Ends it; returns what was left in which state."""
        self.process.stdin.close()
        left = self.expect("- left (.*)")[1]
        if self.process.wait(PATIENCE_S) != 0:
            fail(f"the puppet's exit status is {self.process.returncode}")
        return left


class Peer(Talker):
    """A process of the kernel's side: runs Python that it is told, a line at a time."""

    CODE = """
import socket, sys, time, threading, hashlib, os
def listener(address, port, backlog=16):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    s = socket.socket(family, socket.SOCK_STREAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((address, port))
    s.listen(backlog)
    return s
def opened(address, port, wait=True):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    s = socket.socket(family, socket.SOCK_STREAM)
    s.setblocking(wait)
    s.connect_ex((address, port))
    return s
def sink(s):
    digest, size = hashlib.sha256(), 0
    while data := s.recv(1 << 18):
        digest.update(data)
        size += len(data)
    return f"{size} {digest.hexdigest()}"
def pour(s, file):
    with open(file, "rb") as source:
        s.sendfile(source)
def both(s, file):
    thread = threading.Thread(target=lambda: (pour(s, file), s.shutdown(socket.SHUT_WR)))
    thread.start()
    got = sink(s)
    thread.join()
    return got
for line in sys.stdin:
    try:
        exec(line)
        print("ok", flush=True)
    except Exception as wrong:
        print("raised", repr(wrong), flush=True)
"""

    def __init__(self):
        super().__init__("peer", [sys.executable, "-c", self.CODE])

    def run(self, line, patience_s=PATIENCE_S):
        self.tell(line)
        said = self.expect("ok|raised .*", patience_s)[0]
        if said != "ok":
            fail(f"peer: {line}: {said}")

    def value(self, expression, patience_s=PATIENCE_S):
        self.run(f"print('value', {expression}, flush=True)", patience_s)
        return self.expect("value (.*)")[1]

    def kill(self):
        log("peer is killed")
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()


def random_file(path, size):
    with open(path, "wb") as file:
        for _ in range(0, size, 1 << 20):
            file.write(os.urandom(min(1 << 20, size - file.tell())))
    return digest_of(path)


def digest_of(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return f"{os.path.getsize(path)} {digest.hexdigest()}"


def run(*command):
    log(" ".join(command))
    subprocess.run(command, check=True)


def exchange(puppet, peer, name, sent, back, got, patience_s=60):
    """The puppet's connection `name`, `s` at the peer: the files `sent` and `back` cross, each is
    compared, both sides close. Returns the seconds until both had all."""
    began = time.monotonic()
    puppet.do(name, f"receive {got}")
    puppet.do(name, f"send {sent}")
    peer.tell(f"print('value', both(s, '{back}'), flush=True)")
    puppet.expect(f"{name} sent {os.path.getsize(sent)}", patience_s)
    puppet.do(name, "shutdown")
    there = peer.expect("value (.*)", patience_s)[1]
    peer.expect("ok")
    puppet.expect(f"{name} end {os.path.getsize(back)}", patience_s)
    took = time.monotonic() - began
    check(there == digest_of(sent), f"{name}: what the kernel received differs: {there}")
    check(digest_of(got) == digest_of(back), f"{name}: what salut received differs")
    puppet.do(name, "close")
    puppet.expect(f"{name} closed closed")
    return took


START = time.monotonic()


def log(text):
    print(f"{time.monotonic() - START:8.3f} {text}", flush=True)


def check(truth, text):
    if not truth:
        fail(text)


def fail(text):
    print("FAILED:", text, flush=True)
    os._exit(1)
