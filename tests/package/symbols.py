#!/usr/bin/python3
"""What libsalut.so shows: our own names that include/salut marks, and few of them.

    symbols.py LIBRARY

1,253 symbols were exported once, 396 of them of the TOML parser: a program with its own copy of
that would have met ours. Says the SONAME too: it follows 0.x, where each minor version may break
programs.
"""
import re
import subprocess
import sys

LIMIT = 200  # there is a class or a function of include/salut behind each


def main():
    library = sys.argv[1]
    out = subprocess.run(["nm", "-D", "--defined-only", "--demangle", library], check=True,
                         stdout=subprocess.PIPE, text=True).stdout
    names = [line.split(" ", 2)[2] for line in out.splitlines()]
    ours = re.compile(r"((typeinfo( name)?|vtable) for )?salut::")
    wrong = [name for name in names if not ours.match(name) or "::Impl::" in name]
    wrong += [name for name in names if " std::" in name.split("(")[0]]
    # What is inside is in a namespace of its own folder.
    wrong += [name for name in names if re.match(r"salut::[a-z_]+::", name)]
    for name in wrong:
        print("exported and none of include/salut:", name)
    print(len(names), "symbols")
    if not 40 <= len(names) <= LIMIT:
        print("want 40 to %d" % LIMIT)
        wrong.append("count")
    for needed in ("salut::Runtime::open(", "salut::Stack::poll(", "salut::Connection::read(",
                   "salut::load_config("):
        if not any(name.startswith(needed) for name in names):
            print("not exported:", needed)
            wrong.append(needed)
    dynamic = subprocess.run(["readelf", "-d", library], check=True, stdout=subprocess.PIPE,
                             text=True).stdout
    soname = re.search(r"SONAME.*\[(.*)\]", dynamic)
    if not soname or not re.fullmatch(r"libsalut\.so\.(0\.\d+|[1-9]\d*)", soname.group(1)):
        print("SONAME:", soname and soname.group(1), "does not follow the version")
        wrong.append("soname")
    return 1 if wrong else 0


sys.exit(main())
