#!/usr/bin/python3
"""Runs the test programs of a build directory and counts their cases.

    gtests.py BUILD                             the names
    gtests.py BUILD COUNTS SCALE [FILTER...]

Meson says which programs there are; each is run directly, so that a crash or a hang costs its
program and is counted as one failure, and the cases before it still count. SCALE stretches the
time limits (sanitizers). COUNTS gets one line: passed, failed, skipped.
"""
import concurrent.futures
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time


def introspect(build):
    out = subprocess.run(["meson", "introspect", "--tests", build], check=True,
                         stdout=subprocess.PIPE).stdout
    return json.loads(out)


def name_of(test, build):
    """unit/flow, sim/worlds: where the program's source is, and the test if one of several."""
    program = os.path.relpath(test["cmd"][0], os.path.realpath(build))
    parts = [part for part in os.path.dirname(program).split(os.sep) if part not in ("..", "")]
    if parts and parts[0] == "tests":  # of the build, or a script of the source
        parts = parts[1:]
    if not parts:
        parts = ["unit"]
    words = re.split(r"[ /]", test["name"])
    while words and words[0] in parts:
        words = words[1:]
    return "/".join(parts + ["_".join(words)] * bool(words))


running = set()
stopping = threading.Event()


def kill(child):
    """With what it started itself: some programs fork, and those would hold the pipe open."""
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def stop(number, _frame):
    """A signal takes the programs along; each thread then removes its directory."""
    stopping.set()
    for child in list(running):
        kill(child)
    sys.exit(128 + number)


def output_of(command, limit, **how):
    """Returns (exit status or None on a time-out, output), as bytes."""
    if stopping.is_set():
        return None, b""
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, start_new_session=True, **how) as child:
        running.add(child)
        try:
            if stopping.is_set():  # since we asked, and before stop() could know of this child
                kill(child)
            output = child.communicate(timeout=limit)[0]
            return child.returncode, output
        except subprocess.TimeoutExpired:
            kill(child)
            return None, child.communicate()[0] + b"\n(killed after %d s)\n" % limit
        except BaseException:
            kill(child)
            raise
        finally:
            running.discard(child)


def run(test, scale):
    """Returns (exit status or None on a time-out, output, report or None, seconds)."""
    with tempfile.TemporaryDirectory(prefix="salut-tests-") as scratch:
        report = os.path.join(scratch, "report.json")
        env = dict(os.environ, **test["env"])
        env["GTEST_OUTPUT"] = "json:" + report
        env["GTEST_COLOR"] = "no"
        # No detect_stack_use_after_return: GCC 12 puts objects of 64-byte alignment, such as a Tcb,
        # askew on the stack that it makes up for that (its bug 110027), and UBSan stops the test.
        env.setdefault("ASAN_OPTIONS", "detect_stack_use_after_return=0:strict_string_checks=1")
        env.setdefault("UBSAN_OPTIONS", "halt_on_error=1:print_stacktrace=1")
        limit = max(test.get("timeout") or 0, 30) * 4 * scale
        start = time.monotonic()
        status, output = output_of(test["cmd"], limit, env=env, cwd=test.get("workdir") or scratch)
        seconds = time.monotonic() - start
        try:
            with open(report, encoding="utf-8") as file:
                return status, output.decode(errors="replace"), json.load(file), seconds
        except (OSError, ValueError):
            return status, output.decode(errors="replace"), None, seconds


def cases_of(report):
    """(passed, failed, skipped names) from GoogleTest's own report."""
    passed, failed, skipped = 0, 0, []
    for suite in report.get("testsuites", []):
        for case in suite.get("testsuite", []):
            if case.get("failures"):
                failed += 1
            elif case.get("result") == "SKIPPED":
                skipped.append(suite["name"] + "." + case["name"])
            elif case.get("status") == "RUN":
                passed += 1
    return passed, failed, skipped


def why_skipped(output, case):
    """The text of GTEST_SKIP() stands before the case's line in the output."""
    before = output.split("[  SKIPPED ] " + case, 1)[0].rstrip().splitlines()
    return before[-1].strip() if before and not before[-1].startswith("[") else "says no reason"


def judge(test, status, output, report):
    if report is not None:
        passed, failed, skipped = cases_of(report)
        if status != 0 and failed == 0:
            failed = 1  # every case was fine and the end was not: a leak, a destructor
        if status == 0 and passed + failed + len(skipped) == 0:
            failed = 1  # a program without a test proves nothing
        return passed, failed, skipped
    if test.get("protocol") == "gtest" or "[ RUN      ]" in output:  # it died in a case
        passed = len(re.findall(r"^\[       OK \]", output, re.M))
        return passed, len(re.findall(r"^\[  FAILED  \].*\(\d+ ms\)$", output, re.M)) + 1, []
    if status == 77:
        return 0, 0, [test["name"]]
    return (1, 0, []) if status == 0 else (0, 1, [])


def excerpt(output):
    """The failing cases' lines; all of it when the program died outside of one."""
    lines = output.splitlines()
    if any(line.startswith("[  FAILED  ]") for line in lines):
        noise = ("[       OK ]", "[----------]", "[==========]", "[  PASSED  ]")
        lines = [line for at, line in enumerate(lines) if not line.startswith(noise) and not (
            line.startswith("[ RUN ") and at + 1 < len(lines)
            and lines[at + 1].startswith("[       OK ]"))]
    if len(lines) > 200:
        lines = lines[:100] + ["  … %d lines …" % (len(lines) - 200)] + lines[-100:]
    return "\n".join("    " + line for line in lines)


def main():
    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    build = sys.argv[1]
    tests = sorted(((name_of(test, build), test) for test in introspect(build)),
                   key=lambda pair: pair[0])
    if len(sys.argv) == 2:
        print("\n".join(name for name, _ in tests))
        return
    counts, scale, filters = sys.argv[2], float(sys.argv[3]), sys.argv[4:]
    tests = [(name, test) for name, test in tests
             if not filters or any(word in name for word in filters)]
    totals = [0, 0, 0]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        parallel = {name: pool.submit(run, test, scale) for name, test in tests
                    if test.get("is_parallel", True)}
        for name, test in tests:
            result = parallel[name].result() if name in parallel else run(test, scale)
            status, output, report, seconds = result
            passed, failed, skipped = judge(test, status, output, report)
            totals = [totals[0] + passed, totals[1] + failed, totals[2] + len(skipped)]
            print("%-4s %-28s %4d tests %7.1f s" % (
                "FAIL" if failed else "ok", name, passed + failed + len(skipped), seconds))
            for case in skipped:
                print("SKIP %s: %s: %s" % (name, case, why_skipped(output, case)))
            if failed:
                end = "time-out" if status is None else "exit status %d" % status
                print("%s\n    (%s)" % (excerpt(output), end))
            sys.stdout.flush()
    with open(counts, "w", encoding="utf-8") as file:
        file.write("%d %d %d\n" % tuple(totals))


main()
