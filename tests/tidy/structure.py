"""What may include what."""
import os
import re

from tree import CPP

# Each folder includes only itself and those before it. A folder below one of these that is not
# named itself belongs to it: tcp/congestion is a part of tcp.
LAYERS = ("include/salut base flow timer wire ip tcp stack posix io io/dpdk io/sim "
          "host config worker app load report doctor service cli").split()
INCLUDE = re.compile(r'^\s*#\s*include\s+(["<])([^">]+)[">]')


def layer_of(folder):
    while folder and folder not in LAYERS:
        folder = os.path.dirname(folder)
    return folder


def folder_of(name):
    """The folder as LAYERS has it, of a file of the tree."""
    folder = os.path.dirname(name)
    return folder[len("src/"):] if folder.startswith("src/") else folder


def includes(tree, name):
    """(line, file of the tree) for each of our own headers."""
    for number, line in tree.lines(name):
        match = INCLUDE.match(line)
        if match and match.group(1) == '"':
            for folder in ("include/", "src/"):
                if folder + match.group(2) in tree.files:
                    yield number, folder + match.group(2)


def layers(tree):
    """Each folder includes only those above it in the list, so that no circle can be."""
    unknown = set()
    for name in tree.under("src", "include", ends=CPP):
        mine = layer_of(folder_of(name))
        if not mine:
            unknown.add(os.path.dirname(name))
            continue
        for number, target in includes(tree, name):
            other = layer_of(folder_of(target))
            if other and LAYERS.index(other) > LAYERS.index(mine):
                tree.report(f"{name}:{number}", f"{mine} includes {target}",
                            f"only folders above {mine}: {' '.join(LAYERS)}")
    for folder in sorted(unknown):
        tree.report(f"{folder}:1", "a folder without a place among the layers",
                    "its name in LAYERS of tests/tidy/structure.py")


def room_of(name):
    """wire/parse.hpp, parse.cpp, and parse_parts.hpp and parse_vector.hpp, which are for files of
    that room, are one."""
    return re.sub(r"_(parts|vector)$", "", os.path.splitext(name)[0])


def circles(tree):
    """No circle between the files of one folder. A header and its .cpp files are one room."""
    edges, lines = {}, {}
    for name in tree.under("src", "include", ends=CPP):
        room = room_of(name)
        for number, target in includes(tree, name):
            other = room_of(target)
            if other != room and os.path.dirname(other) == os.path.dirname(room):
                edges.setdefault(room, set()).add(other)
                lines[room, other] = f"{name}:{number}"
    for circle in strong_components(edges):
        inside = [(a, b) for a in circle for b in sorted(edges.get(a, ())) if b in circle]
        names = " ".join(os.path.basename(room) for room in circle)
        tree.report(lines[inside[0]], f"files include each other in a circle: {names}",
                    "one of them cut in two")


def strong_components(edges):
    """Groups of two and more that reach each other (Tarjan), each sorted."""
    index, low, stack, found = {}, {}, [], []

    def visit(node):
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in sorted(edges.get(node, ())):
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            at = stack.index(node)
            if len(stack) - at > 1:
                found.append(sorted(stack[at:]))
            del stack[at:]

    for node in sorted(edges):
        if node not in index:
            visit(node)
    return sorted(found)


def dpdk(tree):
    """DPDK's headers are included in src/io/dpdk and nowhere else."""
    for name in tree.under("src", "include", ends=CPP):
        if name.startswith("src/io/dpdk/"):
            continue
        for number, line in tree.lines(name):
            match = INCLUDE.match(line)
            if match and re.match(r"(rte|cmdline|bus)_", os.path.basename(match.group(2))):
                tree.report(f"{name}:{number}", f"includes {match.group(2)}",
                            "DPDK's headers in src/io/dpdk alone")
