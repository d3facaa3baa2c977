#!/usr/bin/python3
"""Are the programs in the documents the ones that the tests build and run?

    examples.py ROOT

README's echo server is tests/package/echo.cpp, and that of include/salut/stack.hpp stands in
tests/unit/app/front_page_test.cpp between two marks.
"""
import re
import sys
import textwrap


def read(root, name):
    with open(f"{root}/{name}", encoding="utf-8") as file:
        return file.read()


def main(root):
    wrong = []
    program = read(root, "tests/package/echo.cpp")
    if f"```cpp\n{program}```\n" not in read(root, "README.md"):
        wrong.append("README.md: its echo server is not tests/package/echo.cpp")
    tested = re.search(r"// front page\n(.*?)\n *// end of it",
                       read(root, "tests/unit/app/front_page_test.cpp"), re.S)
    told = re.search(r"^(//   runtime->run.*?)^//$", read(root, "include/salut/stack.hpp"),
                     re.S | re.M)
    plain = [textwrap.dedent(re.sub("^//", "", match.group(1), flags=re.M)).strip()
             if match else "" for match in (tested, told)]
    if not plain[0] or plain[0] != plain[1]:
        wrong.append("include/salut/stack.hpp: its example is not that of "
                     "tests/unit/app/front_page_test.cpp")
    print("\n".join(wrong or ["the examples are those that are tested"]))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
