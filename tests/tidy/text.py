"""How sources and documents read: width, length, comments, and the names in them."""
import os
import re

from tree import comments, without_comments

COLUMNS = 100
LINES = 500


def columns(tree):
    """100 columns, except where a line cannot be broken: tables, fences and links of documents."""
    for name in tree.files:
        language = tree.language(name)
        if not language:
            continue
        fenced = unformatted = False
        for number, line in tree.lines(name):
            fenced ^= language == "text" and line.lstrip().startswith("```")
            unformatted |= "clang-format off" in line
            unformatted &= "clang-format on" not in line
            if len(line) <= COLUMNS or fenced or unformatted:
                continue
            if language == "text" and (line.startswith("|") or "](" in line or "://" in line):
                continue
            if re.search(r"\S{80}", line):  # a URL, a digest, bytes in hexadecimal
                continue
            tree.report(f"{name}:{number}", f"{len(line)} columns", f"at most {COLUMNS}")


def lengths(tree):
    """A file of more than 500 lines is two files."""
    for name in tree.under("src", "include", "tests", "bench", "scripts", "python", "examples"):
        if tree.language(name) in ("", "text"):
            continue
        count = tree.text(name).count("\n")
        if count > LINES:
            tree.report(f"{name}:{LINES + 1}", f"{count} lines", f"at most {LINES}")


# A path from the top, and a source file with or without its folder.
FROM_TOP = re.compile(r"(?<![\w/.$~*-])((?:src|include|tests|docs|config|bench|scripts|python|"
                      r"examples)/[\w./@-]*\w)")
SOURCE = re.compile(r"(?<![\w/.$<~*{-])((?:[\w.-]+/)*[\w-]+\.(?:hpp|cpp|py|md|svg|toml))(?![\w/(*])")


def names(tree):
    """Files that comments and documents name exist."""
    tails = set()
    for path in tree.files:
        words = path.split("/")
        for at in range(len(words)):
            tails.update("/".join(words[at:end]) for end in range(at + 1, len(words) + 1))
    for name in tree.files:
        if name in EXEMPT or name.startswith("tests/tidy/"):
            continue
        for number, text in comments(tree, name):
            words = dict.fromkeys(FROM_TOP.findall(text) + SOURCE.findall(text))
            for word in words:
                if not known(tree, tails, name, word):
                    tree.report(f"{name}:{number}", f"names {word}", "a file that is there")


# CHANGELOG.md names what was there once.
EXEMPT = ("CHANGELOG.md",)
# Made by the build, a library's, a part of DPDK, a part of packetdrill.
OTHERS = ("cli/version.hpp", "tl/expected.hpp", "dpdk-devbind.py",
          "run_all.py")
# NAME in config/testpmd-NAME.toml stands for one of several.
PLACEHOLDER = re.compile(r"(^|[/-])[A-Z]{2,}(\.|$|/)")
# What a user would call a file of their own, in an example.
USERS = re.compile(r"^(echo|main|my_\w+|a|b|x|y|file|server|client|serve|bench|script)\.\w+$")


def known(tree, tails, name, word):
    if word.startswith(("build/", "build-")) or "/build/" in word:
        return True
    if word in OTHERS or (PLACEHOLDER.search(word) and not word.endswith(".md")):
        return True
    near = os.path.normpath(os.path.join(os.path.dirname(name), word))
    if near in tails or word in tails or os.path.normpath(word) in tails:
        return True
    # A program that the build makes from a source of that name, as bench/time_wait.
    if word + ".cpp" in tails or re.match(r"tests/unit/\w+/unit_\w+$", word):
        return True
    return bool(USERS.match(word)) or (word.endswith(".toml") and "/" not in word)


# Between a class's head or an access label and the next: what a declaration begins with.
CALL = re.compile(r"([~\w]+|operator\s*\S+?)\s*\(")


def public(tree):
    """Every public function of include/salut has a comment, alone or with those beside it."""
    for name in tree.under("include", ends=(".hpp",)):
        for number, function in undocumented(tree.text(name)):
            tree.report(f"{name}:{number}", f"{function}() has no comment",
                        "one above it, behind it, or above its group")


def undocumented(text):
    """(line, name) of functions at the level of namespaces and public members without a comment."""
    raw, bare = text.split("\n"), without_comments(text).split("\n")
    scopes, statement, covered, start = [], "", False, 0
    for number, (line, code) in enumerate(zip(raw, bare), 1):
        if not line.strip():
            covered = False
        elif not code.strip() or len(code.rstrip()) < len(line.rstrip()):
            covered = True  # a comment, alone or behind the code
        label = re.match(r"^\s*(public|private|protected):", code)
        if label and scopes:
            scopes[-1] = (scopes[-1][0], label.group(1))
            statement = ""
            continue
        if code.lstrip().startswith("#"):
            continue
        for char in code + "\n":
            visible = all(kind in ("namespace", "public") for kind in
                          (s[1] if s[0] == "class" else s[0] for s in scopes))
            if not statement.strip():
                start = number
            if char == "{":
                if visible and is_function(statement) and not covered:
                    yield start, is_function(statement)
                scopes.append(kind_of(statement))
                statement = ""
            elif char == "}":
                if scopes:
                    scopes.pop()
                statement = ""
            elif char == ";":
                if visible and is_function(statement) and not covered:
                    yield start, is_function(statement)
                statement = ""
            else:
                statement += char


CLASS = re.compile(r"^\s*(template\s*<.*>\s*)?(class|struct)\b")


def kind_of(head):
    if re.search(r"\bnamespace\b", head):
        return ("namespace", "")
    if re.search(r"\benum\b", head):
        return ("enum", "")
    if "(" not in head.split("=")[0] or CLASS.match(head):
        match = re.search(r"\b(class|struct|union)\b", head)
        if match:
            return ("class", "private" if match.group(1) == "class" else "public")
    return ("body", "")


def is_function(statement):
    """The name of the function that a statement declares, or nothing. What the language gives
    (constructors, destructors, operators, `= default`) needs no comment."""
    words = statement.strip()
    if re.search(r"=\s*(default|delete)\s*$", words) or "operator" in words or "~" in words:
        return ""
    words = re.sub(r"^template\s*<[^{};]*?>\s*(?=\w)", "", words)
    if re.match(r"^(using|typedef|static_assert|friend|return|extern|enum|concept)\b", words):
        return ""
    head = words.split("=")[0]
    match = CALL.search(head)
    if not match or not re.search(r"[\w>&*]\s+[&*]*$", head[:match.start()]):
        return ""  # a constructor has no type before its name
    if re.fullmatch(r"\s*((explicit|constexpr|inline)\s+)*", head[:match.start()]):
        return ""
    return match.group(1)
