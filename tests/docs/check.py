#!/usr/bin/python3
"""Do the documents say what is there?

    check.py ROOT [FOLDER=PROGRAM...]

docs/rfc-9293.md must have a row for each label of Appendix B of RFC 9293, and docs/tcp-coverage.md
for each promise; each row names a test or says why not. Every file, function and test that either
names must exist. Tests are found in the sources; where PROGRAM is given, its --gtest_list_tests
has the last word, so that a file that nobody builds counts for nothing. Of the README's section on
performance only its markers and the commands of its rows are looked at.
"""
import os
import re
import subprocess
import sys

LABELS = ([f"MUST-{n}" for n in range(1, 70)] + [f"SHLD-{n}" for n in range(1, 32)] +
          [f"MAY-{n}" for n in range(1, 19)] + ["REC-1"])
FOLDERS = {name: f"tests/unit/{name}" for name in
           ("base", "flow", "timer", "wire", "ip", "tcp", "stack", "io", "config", "host", "worker",
            "app", "load", "report", "doctor", "cli")}
FOLDERS |= {name: f"tests/{name}" for name in ("sim", "search", "packetdrill")}
TEST = re.compile(r"^(?:([a-z]+):)?([A-Z][A-Za-z0-9]*\.[a-z0-9_]+)$")
# A row that names no test begins its reason with one of these.
EXCUSE = re.compile(r"^(not\b|theirs\b|the same\b|in part\b)")


def tests_in_sources(folder):
    found = set()
    for name in os.listdir(folder):
        if not name.endswith(".cpp"):
            continue
        with open(os.path.join(folder, name), encoding="utf-8") as file:
            text = file.read()
        for suite, case in re.findall(r"^TEST(?:_F|_P)?\(\s*(\w+),\s*(\w+)\)", text, re.M):
            found.add(f"{suite}.{case}")
    return found


def tests_in_program(program):
    # Without GTEST_OUTPUT, or the list would pass for this test's own report.
    env = {key: value for key, value in os.environ.items() if not key.startswith("GTEST_")}
    out = subprocess.run([program, "--gtest_list_tests"], check=True, stdout=subprocess.PIPE,
                         text=True, env=env).stdout
    found, suite = set(), ""
    for line in out.splitlines():
        word = line.split("#")[0].rstrip()
        if re.match(r"^\w[\w/]*\.$", word):
            suite = word.split("/")[-1]  # without the name of a set of parameters
        elif line.startswith("  "):
            found.add(suite + word.strip().split("/")[0])
    return found


class Checker:
    def __init__(self, root, programs):
        self.root = root
        self.tests = {}
        for key, folder in FOLDERS.items():
            self.tests[key] = tests_in_sources(os.path.join(root, folder))
        for key, program in programs.items():
            self.tests[key] = tests_in_program(program)
        self.complaints = []
        self.named = set()

    def complain(self, where, text):
        self.complaints.append(f"{where}: {text}")

    def read(self, path):
        with open(os.path.join(self.root, path), encoding="utf-8") as file:
            return file.read()

    def check_code(self, where, word, after):
        """One `word` of a document, and what follows it."""
        test = TEST.match(word)
        if test:
            folder = test.group(1) or "tcp"
            if test.group(2) not in self.tests.get(folder, set()):
                self.complain(where, f"no test {word}")
            self.named.add(word)
            return True
        if re.match(r"^(src|include|tests|docs|config)/", word):
            if not os.path.exists(os.path.join(self.root, word)):
                self.complain(where, f"no file {word}")
                return False
            functions = re.match(r"^((?:[, ]*\w+\(\))+)", after)
            for name in re.findall(r"(\w+)\(\)", functions.group(1) if functions else ""):
                if not re.search(rf"\b{name}\(", self.read(word)):
                    self.complain(where, f"{word} has no {name}()")
            return word.startswith("tests/")
        return False

    def check_text(self, where, text):
        """All that the text names; true if there is a test in it."""
        tested = False
        for match in re.finditer(r"`([^`]+)`", text):
            tested |= self.check_code(where, match.group(1), text[match.end():])
        return tested

    def rows(self, path):
        for number, line in enumerate(self.read(path).splitlines(), 1):
            where = f"{path}:{number}"
            if not line.startswith("|"):
                self.check_text(where, line)
                continue
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            if set("".join(cells)) <= set("- "):
                continue
            yield where, cells

    def check_rfc(self, path):
        seen = []
        for where, cells in self.rows(path):
            if cells[0] == "label":
                continue
            if len(cells) != 4:
                self.complain(where, f"{len(cells)} cells, not 4")
                continue
            label, _, place, proof = cells
            if label not in LABELS:
                self.complain(where, f"RFC 9293 has no {label}")
            if label in seen:
                self.complain(where, f"{label} a second time")
            seen.append(label)
            self.check_text(where, place)
            if not self.check_text(where, proof) and not EXCUSE.match(proof):
                self.complain(where, f"{label} has neither a test nor a reason")
        for label in LABELS:
            if label not in seen:
                self.complain(path, f"no row for {label}")
        return len(seen)

    def check_coverage(self, path):
        count = 0
        for where, cells in self.rows(path):
            if cells[-1] == "tests":
                continue
            count += 1
            if not self.check_text(where, cells[-1]) and not EXCUSE.match(cells[-1]):
                self.complain(where, "a row without a test or a reason")
        return count


    def check_performance(self, path):
        """The markers are there, and each row between them names a benchmark that is."""
        sys.path.insert(0, os.path.join(self.root, "bench"))
        sys.dont_write_bytecode = True
        from suite.catalogue import NAMES
        from suite.readme import BEGIN, END
        _, begin, rest = self.read(path).partition(BEGIN)
        section, end, _ = rest.partition(END)
        if not begin or not end:
            self.complain(path, f"no '{BEGIN}' with '{END}' after it")
        for line in section.splitlines():
            if not line.startswith("| ") or line.startswith(("| what |", "| --- |")):
                continue
            command = re.search(r"\| `(?:DPERF=\S+ )?bench/run (\w+)` \|$", line)
            if not command or command.group(1) not in NAMES:
                self.complain(path, f"a row without a benchmark: {line}")


def main():
    root, programs = sys.argv[1], dict(word.split("=", 1) for word in sys.argv[2:])
    checker = Checker(root, programs)
    labels = checker.check_rfc("docs/rfc-9293.md")
    rows = checker.check_coverage("docs/tcp-coverage.md")
    checker.check_performance("README.md")
    print(f"{labels} labels, {rows} promises, {len(checker.named)} tests named")
    for line in checker.complaints:
        print(line)
    if checker.complaints or labels < len(LABELS) or rows < 100:
        sys.exit(1)


main()
