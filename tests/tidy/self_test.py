#!/usr/bin/python3
"""Can each check of the house fail?

    self_test.py [ROOT]

Copies the tree, seeds one violation at a time, and wants it reported where it is, once. What the
tree has of its own (none, if check.py is green) does not count.
"""
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True

import history  # noqa: E402
import structure  # noqa: E402
import text  # noqa: E402
from tree import Tree  # noqa: E402

ROOT = os.path.abspath(sys.argv.pop(1) if len(sys.argv) > 1 else
                       os.path.join(os.path.dirname(__file__), "..", ".."))
CORE = "src/timer/seeded"


class Seeded(unittest.TestCase):
    """One copy for all tests; each takes back what it wrote."""

    @classmethod
    def setUpClass(cls):
        cls.copy = tempfile.mkdtemp(prefix="salut-tidy.")
        for name in Tree(ROOT).under("src", "include", "docs", "config", "tests/tidy"):
            to = os.path.join(cls.copy, name)
            os.makedirs(os.path.dirname(to), exist_ok=True)
            shutil.copyfile(os.path.join(ROOT, name), to)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.copy)

    def seed(self, check, files, *more):
        """What `check` finds with the files that it does not find without them."""
        before = Tree(self.copy)
        check(before, *more)
        for name, content in files.items():
            path = os.path.join(self.copy, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8") as file:
                file.write(content)
        after = Tree(self.copy)
        check(after, *more)
        for name in files:
            os.unlink(os.path.join(self.copy, name))
        return [line for line in after.findings if line not in before.findings]

    def expect(self, found, *beginnings):
        self.assertEqual(len(found), len(beginnings), found)
        for line, beginning in zip(found, beginnings):
            self.assertTrue(line.startswith(beginning), f"{line}\nis not\n{beginning}")
            self.assertIn("; want ", line)

    def test_include_of_a_folder_below(self):
        found = self.seed(structure.layers, {
            "src/base/seeded.hpp": '#pragma once\n\n#include "tcp/tcb.hpp"\n',
            "src/load/seeded.hpp": '#include "base/key.hpp"\n#include "report/report.hpp"\n'})
        self.expect(found, "src/base/seeded.hpp:3: base includes src/tcp/tcb.hpp",
                    "src/load/seeded.hpp:2: load includes src/report/report.hpp")

    def test_folder_without_a_place(self):
        found = self.seed(structure.layers, {"src/attic/seeded.hpp": "#pragma once\n"})
        self.expect(found, "src/attic:1: a folder without a place")

    def test_circle_of_files(self):
        found = self.seed(structure.circles, {
            "src/timer/seeded_a.hpp": '#include "timer/seeded_b.hpp"\n',
            "src/timer/seeded_b.hpp": "#pragma once\n",
            "src/timer/seeded_b.cpp": '#include "timer/seeded_b.hpp"\n'
                                      '#include "timer/seeded_a.hpp"\n'})
        self.expect(found, "src/timer/seeded_a.hpp:1: files include each other in a circle: "
                           "seeded_a seeded_b")

    def test_no_circle_of_a_header_with_its_own_files(self):
        found = self.seed(structure.circles, {
            "src/timer/seeded.hpp": "#pragma once\n",
            "src/timer/seeded_parts.hpp": '#include "timer/seeded.hpp"\n',
            "src/timer/seeded.cpp": '#include "timer/seeded_parts.hpp"\n'})
        self.expect(found)

    def test_dpdk_outside_its_folder(self):
        found = self.seed(structure.dpdk, {
            CORE + ".cpp": "#include <rte_mbuf.h>\n",
            "src/io/dpdk/seeded.cpp": "#include <rte_mbuf.h>\n"})
        self.expect(found, f"{CORE}.cpp:1: includes rte_mbuf.h")

    def test_call_of_the_system_in_the_core(self):
        if not shutil.which("g++") or not shutil.which("nm"):
            self.skipTest("no g++ or nm")
        with tempfile.TemporaryDirectory() as folder:
            source, archive = os.path.join(folder, "a.cpp"), os.path.join(folder, "a.o")
            with open(source, "w", encoding="utf-8") as file:
                file.write("#include <chrono>\n#include <cstring>\n#include <unistd.h>\n"
                           "long f(char* p) { return std::strlen(p) + getpid() + std::chrono::"
                           "steady_clock::now().time_since_epoch().count(); }\n")
            subprocess.run(["g++", "-std=c++20", "-O2", "-c", source, "-o", archive], check=True)
            out = subprocess.run([os.path.join(ROOT, "tests/tidy/foreign_symbols"), archive],
                                 stdout=subprocess.PIPE, text=True, check=False)
        self.assertEqual(out.returncode, 1, out.stdout)
        self.assertIn(f"{archive}: getpid\n", out.stdout)
        self.assertIn(f"{archive}: std::chrono::_V2::steady_clock::now()\n", out.stdout)
        self.assertNotIn("strlen", out.stdout)

    def test_name_of_a_file_that_is_not_there(self):
        found = self.seed(text.names, {
            CORE + ".hpp": "// wheel.hpp, timer/wheel.cpp and src/timer are there.\n"
                           '// attic.hpp is not.\nconst char* a = "tcp/attic.hpp";\n',
            "docs/seeded.md": "See `src/tcp/attic.cpp`, `tests/attic`, [x](architecture.md).\n",
            "config/seeded.toml": "# As docs/attic.md says; wheel.hpp.\n"})
        self.expect(found, "config/seeded.toml:1: names docs/attic.md",
                    "docs/seeded.md:1: names src/tcp/attic.cpp",
                    "docs/seeded.md:1: names tests/attic",
                    f"{CORE}.hpp:2: names attic.hpp")

    def test_columns(self):
        words = "word " * 21
        found = self.seed(text.columns, {
            CORE + ".cpp": f"// {words[:97]}\n// {words[:98]}\n",
            "docs/seeded.md": f"| {words} |\n\n```\n{words}\n```\n\n{words}\n"})
        self.expect(found, "docs/seeded.md:7: 105 columns", f"{CORE}.cpp:2: 101 columns")

    def test_length(self):
        found = self.seed(text.lengths, {CORE + ".cpp": "\n" * 500, CORE + ".hpp": "\n" * 501})
        self.expect(found, f"{CORE}.hpp:501: 501 lines")

    def test_public_function_without_a_comment(self):
        found = self.seed(text.public, {"include/salut/seeded.hpp": """\
namespace salut {

// Covers both.
int one();
int two();

std::string_view three(int number);  // behind it

inline int four(int n) { return one() + n; }

class Box {
 public:
  explicit Box(int n);
  Box(const Box&) = delete;

  Result<void> five(
      int n) const;
  bool operator==(const Box&) const = default;

 private:
  int six() const;
  int seven_ = 0;
};

}  // namespace salut
"""})
        self.expect(found, "include/salut/seeded.hpp:9: four() has no comment",
                    "include/salut/seeded.hpp:16: five() has no comment")

    def test_format(self):
        if not shutil.which(history.FORMATTER):
            self.skipTest(f"no {history.FORMATTER}")
        with open(os.path.join(ROOT, ".clang-format"), encoding="utf-8") as file:
            style = file.read()
        found = self.seed(history.formatted, {".clang-format": style,
                                              CORE + ".cpp": "int a;\nint  b;\n"})
        self.expect(found, f"{CORE}.cpp:2: not as clang-format-19 has it")

    def test_subject(self):
        def git(*words):
            subprocess.run(["git", "-C", repository, "-c", "user.name=a", "-c", "user.email=a@b",
                            *words], check=True, stdout=subprocess.DEVNULL)
        with tempfile.TemporaryDirectory() as repository:
            git("init", "-q")
            for subject in ("x" * 80, "y" * 72, "z" * 73):
                git("commit", "-q", "--allow-empty", "-m", subject)
            base = subprocess.run(["git", "-C", repository, "rev-parse", "HEAD~2"], text=True,
                                  stdout=subprocess.PIPE, check=True).stdout.strip()
            tree = Tree(repository)
            os.environ["TIDY_SUBJECTS_SINCE"] = base
            self.assertEqual(history.subjects(tree), "")
            self.assertEqual(len(tree.findings), 1, tree.findings)
            self.assertRegex(tree.findings[0],
                             r"^commit \w+:1: a subject of 73 characters: z+; want")
            os.environ["TIDY_SUBJECTS_SINCE"] = "0" * 40
            self.assertIn("does not reach back", history.subjects(tree))
            del os.environ["TIDY_SUBJECTS_SINCE"]


if __name__ == "__main__":
    unittest.main()
