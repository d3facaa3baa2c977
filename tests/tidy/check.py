#!/usr/bin/python3
"""Is the house in order?

    check.py [--root DIR] [--list] [CHECK...]

Checks the tree, all of it or by the CHECKs that are named, and prints one line for each finding:
file:line: what is there; what is wanted. The status is 1 if there are any, and 77 if everything
that was asked for had to be skipped; the last line then says why. CONTRIBUTING.md says what the
checks want; self_test.py shows that each of them can fail. What the core may call is checked beside
this, by foreign_symbols.
"""
import argparse
import os
import sys

sys.dont_write_bytecode = True

import history  # noqa: E402
import structure  # noqa: E402
import text  # noqa: E402
from tree import Tree  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
# Each returns why it was skipped, or nothing.
CHECKS = {
    "layers": structure.layers,
    "circles": structure.circles,
    "dpdk": structure.dpdk,
    "names": text.names,
    "columns": text.columns,
    "lengths": text.lengths,
    "public": text.public,
    "format": history.formatted,
    "subjects": history.subjects,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", default=os.path.join(HERE, "..", ".."))
    parser.add_argument("--list", action="store_true")
    parser.add_argument("checks", nargs="*", metavar="CHECK")
    options = parser.parse_args()
    if options.list:
        print("\n".join(CHECKS))
        return 0
    for name in options.checks:
        if name not in CHECKS:
            parser.error(f"no check {name}; there are {' '.join(CHECKS)}")
    tree, skipped = Tree(options.root), []
    wanted = options.checks or list(CHECKS)
    for name in wanted:
        why = CHECKS[name](tree)
        if why:
            skipped.append(f"{name} skipped: {why}")
    for line in tree.findings:
        print(f"FAILED: {line}")
    print(f"{len(wanted) - len(skipped)} checks of {len(tree.files)} files, "
          f"{len(tree.findings)} findings")
    for line in skipped:
        print(line)
    return 1 if tree.findings else 77 if len(skipped) == len(wanted) else 0


if __name__ == "__main__":
    sys.exit(main())
