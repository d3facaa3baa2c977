#!/usr/bin/python3
"""Instructions per connection and side of bench/connection_path, from callgrind.

    bench/instructions.py build/bench/connection_path                 a table
    bench/instructions.py build/bench/connection_path --budget=FILE   status 1 if a figure has grown
    bench/instructions.py build/bench/connection_path --write=FILE    makes such a file
    bench/instructions.py build/bench/connection_path --functions     where they are, each shape
    bench/instructions.py build/bench/connection_path --small         of few turns: does it count?

Two engines, a client's and a server's, in one thread: callgrind counts what is executed in the
turns of each, and the difference of a run of 3,000 turns and one of 1,000 has no start in it. The
counts are the same in every run of a binary; they are those of one compiler and one -march, which
a budget names. Status 77: there is no valgrind, or the budget is of another compiler or processor.
"""
from __future__ import annotations

import json
import re
import signal
import sys
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

sys.dont_write_bytecode = True
import valgrind  # noqa: E402

SHAPES = {"bare, 5 packets": "bytes:0/bare_acks:0/ip6:0",
          "each ACK alone, 7 packets": "bytes:0/bare_acks:1/ip6:0",
          "64 bytes each way": "bytes:64/bare_acks:0/ip6:0",
          "bare, IPv6": "bytes:0/bare_acks:0/ip6:1",
          "64 bytes each way, IPv6": "bytes:64/bare_acks:0/ip6:1"}
SIDES = ("client", "server")
TURNS = (1000, 3000)
TURNS_SMALL = (100, 300)
SLACK = 0.03  # a figure may be so much above its budget; so much below, the budget is to be renewed
Counts = dict[str, dict[str, float]]


def count(program: str, shape: str, turns: int) -> tuple[Counter[str], Counter[str], float]:
    """The instructions of each side, those of each function, and the connections closed."""
    printed, lines = valgrind.run(
        "callgrind", ["--compress-strings=no", "--compress-pos=no"],
        [program, "--benchmark_filter=" + SHAPES[shape], "--turns=%d" % turns,
         "--benchmark_format=json"])
    sides, functions = read(lines)
    return sides, functions, json.loads(printed)["benchmarks"][0]["connections"]


def read(lines: Iterable[str]) -> tuple[Counter[str], Counter[str]]:
    """callgrind's own format: cost lines of `fn=`; behind `calls=` comes what the call cost."""
    sides: Counter[str] = Counter()
    functions: Counter[str] = Counter()
    function = called = ""
    of_call = False
    for line in lines:
        if line.startswith("fn="):
            function = line[3:].strip()
        elif line.startswith("cfn="):
            called = line[4:].strip()
        elif line.startswith("calls="):
            of_call = True
        elif line[0].isdigit() or line[0] in "+-*":
            cost = int(line.split()[-1])
            if not of_call:
                functions[function] += cost
            else:
                for side in SIDES:
                    if "::%s_turn(" % side in called:
                        sides[side] += cost
            of_call = False
    return sides, functions


def per_connection(program: str, shape: str,
                   turns: tuple[int, int]) -> tuple[dict[str, float], dict[str, float]]:
    few, many = (count(program, shape, n) for n in turns)
    connections = many[2] - few[2]
    return ({side: (many[0][side] - few[0][side]) / connections for side in SIDES},
            {name: (many[1][name] - few[1][name]) / connections for name in many[1]})


def built_with(program: str) -> str:
    """The compiler that a binary names, and what decides which of our code is executed."""
    with open(program, "rb") as file:
        names = sorted(set(re.findall(rb"GCC: \([^)]*\) ([\d.]+)|clang version ([\d.]+)",
                                      file.read())))
    compiler = " ".join((gcc and b"gcc " + gcc or b"clang " + clang).decode()
                        for gcc, clang in names)
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        flags = next((line.split() for line in file if line.startswith("flags")), [])
    return ", ".join([compiler] + [flag for flag in ("avx2", "bmi2", "aes") if flag in flags])


def table(counts: Counts) -> str:
    rows = ["%-28s %8s %8s" % ("instructions per connection", *SIDES)]
    rows += ["%-28s %8.0f %8.0f" % (shape, *(of[side] for side in SIDES))
             for shape, of in counts.items()]
    return "\n".join(rows)


def compare(counts: Counts, path: str, program: str) -> int:
    with open(path, encoding="utf-8") as file:
        budget = json.load(file)
    here = built_with(program)
    if budget["built_with"] != here:
        print("the budget is of %s, and this is %s" % (budget["built_with"], here))
        return valgrind.NOT_HERE
    status = 0
    for shape, of in budget["instructions"].items():
        for side in SIDES:
            now, then = counts[shape][side], of[side]
            if now > then * (1 + SLACK):
                print("%s, %s: %.0f instructions per connection; want at most %.0f, %.0f %% above "
                      "the %.0f of %s" % (shape, side, now, then * (1 + SLACK), 100 * SLACK, then,
                                          path))
                status = 1
            elif now < then * (1 - SLACK):
                print("%s, %s: %.0f, where %s has %.0f: renew it with --write"
                      % (shape, side, now, path, then))
                status = 1
    return status


def rows_of(counts: Counts) -> list[dict[str, object]]:
    return [{"what": "instructions per connection, %s, %s" % (shape, side),
             "figure": round(of[side]), "unit": "instructions", "better": "lower",
             "note": "callgrind, two engines in one thread, start-up taken off"}
            for shape, of in counts.items() for side in SIDES]


def main() -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # the folder goes
    program = sys.argv[1]
    options = dict((word.lstrip("-").split("=", 1) + [""])[:2] for word in sys.argv[2:])
    if not valgrind.is_here():
        print("needs valgrind")
        return valgrind.NOT_HERE
    turns = TURNS_SMALL if "small" in options else TURNS
    with ThreadPoolExecutor(2) as pool:
        found = dict(zip(SHAPES, pool.map(lambda shape: per_connection(program, shape, turns),
                                          SHAPES)))
    counts = {shape: sides for shape, (sides, _) in found.items()}
    print(table(counts))
    if "functions" in options:
        for shape, (_, functions) in found.items():
            print("\n%s" % shape)
            for name in sorted(functions, key=lambda name: -functions[name])[:40]:
                print("%8.1f  %s" % (functions[name], name[:90]))
    if "rows" in options:
        with open(options["rows"], "w", encoding="utf-8") as file:
            json.dump({"rows": rows_of(counts), "plots": [], "notes": [],
                       "checksum": "%d shapes counted" % len(counts)}, file)
    if "write" in options:
        with open(options["write"], "w", encoding="utf-8") as file:
            json.dump({"built_with": built_with(program),
                       "instructions": {shape: {side: round(of[side]) for side in SIDES}
                                        for shape, of in counts.items()}}, file, indent=2)
            file.write("\n")
    return compare(counts, options["budget"], program) if "budget" in options else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except valgrind.Broken as why:
        sys.exit(str(why))
