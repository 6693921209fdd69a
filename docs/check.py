#!/usr/bin/env python3
"""Checks that what the documentation points at exists: relative links and their anchors, paths in the repository, tests.

Three kinds of reference are followed in README.md, CONTRIBUTING.md, SECURITY.md, CHANGELOG.md, bench/README.md and
docs/src: links to files or headings; inline code that names a path under bench/, crates/, circuits/, contracts/, docs/, fuzz/,
tests/ or .ci/; and inline code of the form `path.rs::test_name`, where the file must define the function.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "bench/README.md")]
PAGES += sorted((ROOT / "docs/src").glob("**/*.md"))
ROOMS = ("bench/", "crates/", "circuits/", "contracts/", "docs/", "fuzz/", "tests/", ".ci/")
# Made by tools, not committed.
MADE = ("fuzz/artifacts", "fuzz/corpus", "tests/node_modules")
HOME = "https://github.com/tacit-network/tacit/blob/main/"


def without_code(text):
    text = re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)
    return re.sub(r"^(    |\t).*$", "", text, flags=re.M)


def anchors(path):
    found = set()
    for heading in re.findall(r"^#+ +(.*)$", without_code(path.read_text()), flags=re.M):
        plain = re.sub(r"[`*]|\[([^]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
        found.add(re.sub(r"[^\w\- ]", "", plain).replace(" ", "-"))
    return found


def main():
    problems = []
    for page in PAGES:
        text = without_code(page.read_text())
        say = lambda what: problems.append(f"{page.relative_to(ROOT)}: {what}")
        for target in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`]*`", "", text)):
            if target.startswith(HOME):
                if not (ROOT / target.removeprefix(HOME)).exists():
                    say(f"{target}: no such file in the repository")
                continue
            if re.match(r"[a-z]+:", target):
                continue
            path, _, anchor = target.partition("#")
            file = (page.parent / path).resolve() if path else page
            if not file.exists():
                say(f"link to {target}: no such file")
            elif anchor and anchor not in anchors(file):
                say(f"link to {target}: no such heading")
        for code in re.findall(r"`([^`\n]+)`", text):
            path, _, test = code.partition("::")
            if not path.startswith(ROOMS) or re.search(r"[\s*{}<>]", path) or path.startswith(MADE):
                continue
            file = ROOT / path
            if not file.exists():
                say(f"`{code}`: no such path")
            elif test and not re.search(rf"\bfn {re.escape(test)}\b", file.read_text()):
                say(f"`{code}`: no such test")
    for problem in problems:
        print(problem)
    print(f"{len(PAGES)} pages checked, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
