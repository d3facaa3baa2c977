"""The files of the tree, what in them is comment, and one finding a line."""
import os
import re
import subprocess

CPP = (".cpp", ".hpp")
SKIPPED = re.compile(r"^(build[^/]*|\.git|__pycache__)$")


class Tree:
    """A tree of sources. Findings are kept in the order in which the checks report them."""

    def __init__(self, root):
        self.root = os.path.abspath(root)
        self.files = self._list()
        self.findings = []
        self._texts = {}

    def _list(self):
        if os.path.exists(os.path.join(self.root, ".git")):
            out = subprocess.run(["git", "-C", self.root, "ls-files", "-z", "--cached", "--others",
                                  "--exclude-standard"], stdout=subprocess.PIPE, check=False)
            names = [name for name in out.stdout.decode().split("\0") if name]
            if out.returncode == 0 and names:
                return sorted(n for n in set(names) if os.path.isfile(self.path(n)))
        return sorted(self._walk())

    def _walk(self):
        for folder, folders, files in os.walk(self.root):
            folders[:] = [name for name in folders if not SKIPPED.match(name)]
            for name in files:
                yield os.path.relpath(os.path.join(folder, name), self.root)

    def path(self, name):
        return os.path.join(self.root, name)

    def text(self, name):
        if name not in self._texts:
            try:
                with open(self.path(name), encoding="utf-8") as file:
                    self._texts[name] = file.read()
            except UnicodeDecodeError:
                self._texts[name] = ""  # a capture, a corpus: no text
        return self._texts[name]

    def lines(self, name):
        return enumerate(self.text(name).splitlines(), 1)

    def under(self, *folders, ends=("",)):
        """Files below the folders whose names end so."""
        heads = tuple(folder + "/" for folder in folders)
        return [n for n in self.files if n.startswith(heads) and n.endswith(tuple(ends))]

    def cpp(self):
        return self.under("include", "src", "tests", "bench", "examples", ends=CPP)

    def report(self, where, what, want):
        self.findings.append(f"{where}: {what}; want {want}")

    def language(self, name):
        """What the file is written in, by its ending or its first line."""
        endings = {".cpp": "cpp", ".hpp": "cpp", ".h": "cpp", ".py": "python", ".sh": "shell",
                   ".md": "text", ".toml": "config", ".yaml": "config", ".build": "meson"}
        ending = os.path.splitext(name)[1]
        if ending in endings:
            return endings[ending]
        if ending == "" or name.endswith("meson_options.txt"):
            first = self.text(name)[:64].partition("\n")[0]
            if first.startswith("#!"):
                return "python" if "python" in first else "shell"
        return ""


# A string, a character or a comment of C++, whichever comes first.
TOKEN = re.compile(r'R"(?P<mark>[^(\s]*)\(.*?\)(?P=mark)"|"(?:\\.|[^"\\\n])*"|'
                   r"(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])+'|//[^\n]*|/\*.*?\*/", re.S)


def cpp_comments(text):
    """(line, comment) for each line of a comment."""
    for match in TOKEN.finditer(text):
        if match.group().startswith(("//", "/*")):
            first = text.count("\n", 0, match.start()) + 1
            for offset, line in enumerate(match.group().split("\n")):
                yield first + offset, line


def without_comments(text):
    """The same lines, with comments and the insides of strings blank."""
    def blank(match):
        word = match.group()
        if word.startswith(("//", "/*")):
            return re.sub(r"[^\n]", " ", word)
        return '"' + re.sub(r"[^\n]", " ", word[1:-1]) + '"'
    return TOKEN.sub(blank, text)


def comments(tree, name):
    """(line, comment) for each line of comment in any language; all of a document is one."""
    language = tree.language(name)
    if language == "cpp":
        yield from cpp_comments(tree.text(name))
    elif language == "text":
        yield from tree.lines(name)
    elif language:
        for number, line in tree.lines(name):
            match = re.search(r"(?:^|\s)#(.*)", line)
            if match and not line.startswith("#!"):
                yield number, match.group(1)
