"""What git and clang-format say."""
import os
import re
import shutil
import subprocess

# The last commit of the history that was written before the rule.
SUBJECTS_SINCE = "2e850ed"
SUBJECT = 72
FORMATTER = "clang-format-19"


def subjects(tree):
    """Subjects of commits are at most 72 characters long."""
    def git(*words):
        return subprocess.run(["git", "-C", tree.root, *words], stdout=subprocess.PIPE, text=True,
                              stderr=subprocess.DEVNULL, check=False)

    if not os.path.exists(tree.path(".git")) or not shutil.which("git"):
        return "no git, or no repository"
    base = os.environ.get("TIDY_SUBJECTS_SINCE", SUBJECTS_SINCE)
    if git("rev-parse", "--verify", "-q", base + "^{commit}").returncode != 0:
        return f"the history does not reach back to {base}"
    for line in git("log", "--format=%h %s", f"{base}..HEAD").stdout.splitlines():
        commit, _, subject = line.partition(" ")
        if len(subject) > SUBJECT:
            tree.report(f"commit {commit}:1", f"a subject of {len(subject)} characters: {subject}",
                        f"at most {SUBJECT}; the why belongs in the body")
    return ""


def formatted(tree):
    """Sources are as clang-format leaves them, in the version that the tests install."""
    if not shutil.which(FORMATTER):
        return f"no {FORMATTER}"
    out = subprocess.run([FORMATTER, "--dry-run", *tree.cpp()], cwd=tree.root, text=True,
                         stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, check=False).stderr
    seen = set()
    for name, line in re.findall(r"^(\S+?):(\d+):\d+: warning:", out, re.M):
        if name not in seen:
            seen.add(name)
            tree.report(f"{name}:{line}", f"not as {FORMATTER} has it",
                        f"{FORMATTER} -i {name}")
    return ""
