#!/usr/bin/env python3
"""Opens connections of the kernel to `salut serve --app http`, checks each answer, counts.

    client.py ADDRESS PORT --connections 1000 --at-once 16 --body 1000 [--echo]

Every second connection is closed by the server first, the others by us. Status 0 only if all were
opened, answered with exactly the page that salut serves, and closed in order. With --echo the other
end is `salut serve --app echo`: the page goes there and must come back.
"""

from __future__ import annotations

import argparse
import itertools
import socket
import sys
import threading

PATIENCE_S = 30.0


def page(size: int) -> bytes:
    """What salut serves: lines of 64 bytes that begin with their own offset."""
    lines = (f"{at:016x} {'salut':.<46}\n" for at in range(0, size, 64))
    return "".join(lines).encode()[:size]


class Client:
    def __init__(self, address: str, port: int, connections: int, body: int, echo: bool) -> None:
        self.address = address
        self.port = port
        self.page = page(body)
        self.echo = echo
        self.numbers = iter(range(connections))
        self.lock = threading.Lock()
        self.done = 0
        self.wrong: list[str] = []

    def run(self, at_once: int) -> None:
        threads = [threading.Thread(target=self.work) for _ in range(at_once)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def work(self) -> None:
        while True:
            with self.lock:
                number = next(self.numbers, None)
            if number is None:
                return
            try:
                with self.connect() as connection:
                    if self.echo:
                        self.there_and_back(connection)
                    else:
                        self.get(connection, server_closes=number % 2 == 0)
                with self.lock:
                    self.done += 1
            except OSError as error:
                with self.lock:
                    self.wrong.append(f"connection {number}: {error}")

    def connect(self) -> socket.socket:
        return socket.create_connection((self.address, self.port), PATIENCE_S)

    def get(self, connection: socket.socket, server_closes: bool) -> None:
        words = "close" if server_closes else "keep-alive"
        request = f"GET / HTTP/1.1\r\nHost: guest\r\nConnection: {words}\r\n\r\n"
        connection.sendall(request.encode())
        answer = self.read_answer(connection)
        head, _, body = answer.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200 ") or body != self.page:
            raise OSError(f"a wrong answer of {len(answer)} bytes: {answer[:200]!r}")
        connection.shutdown(socket.SHUT_WR)
        if connection.recv(1):
            raise OSError("bytes behind the answer")

    def there_and_back(self, connection: socket.socket) -> None:
        def send() -> None:
            connection.sendall(self.page)
            connection.shutdown(socket.SHUT_WR)

        sender = threading.Thread(target=send)
        sender.start()
        back = bytearray()
        while part := connection.recv(65_536):
            back += part
        sender.join()
        if back != self.page:
            raise OSError(f"{len(back)} bytes came back, not those that were sent")

    def read_answer(self, connection: socket.socket) -> bytes:
        answer = bytearray()
        while True:
            end = answer.find(b"\r\n\r\n")
            if end >= 0 and len(answer) >= end + 4 + len(self.page):
                return bytes(answer)
            part = connection.recv(65_536)
            if not part:
                raise OSError(f"the end after {len(answer)} bytes")
            answer += part


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("address")
    parser.add_argument("port", type=int)
    parser.add_argument("--connections", type=int, default=1000)
    parser.add_argument("--at-once", type=int, default=16)
    parser.add_argument("--body", type=int, default=1000)
    parser.add_argument("--echo", action="store_true")
    asked = parser.parse_args()
    client = Client(asked.address, asked.port, asked.connections, asked.body, asked.echo)
    client.run(asked.at_once)
    print(f"{asked.address}: {client.done} connections, {len(client.wrong)} failed")
    for line in itertools.islice(client.wrong, 10):
        print(line)
    return 0 if client.done == asked.connections and not client.wrong else 1


if __name__ == "__main__":
    sys.exit(main())
