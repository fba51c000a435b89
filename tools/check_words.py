"""Checks that the project's words are plain: ``docs/glossary.md`` says why. Prints each place; exit code 1 if any."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
CHECKED = ("*.py", "*.md", "*.js")
EXEMPT = ("tools/check_words.py", "docs/glossary.md")

# From a pattern to what to write instead.
PLAIN: dict[str, str] = {
    r"\b(?<!there )(?<!There )(is|are|was|were|be) no\b(?! (longer|more|less|fewer|different|other))": "is not a",
    r"\b[Bb]ehind\b": "after",
    r"\bin front of\b": "before",
    r"\bof whose\b|\bin whose\b|\bof which the\b": "a sentence of its own",
    r"\bsave (for|that)\b": "except",
    r"okenis(e|i|a)|\bserialis|\binitialis": "-ize",
    r"\b([Cc]ompanions?|[Oo]utlooks?)\b": "the word of docs/glossary.md",
}


def places(text: str) -> list[tuple[int, str, str]]:
    """The lines of a text that break a rule: line number, what is there, and what to write instead."""
    return [
        (number, found.group(0), instead)
        for number, line in enumerate(text.splitlines(), start=1)
        for pattern, instead in PLAIN.items()
        for found in re.finditer(pattern, line)
    ]


def docstrings_without_verb(text: str) -> list[tuple[int, str]]:
    """The functions whose docstring does not begin with a verb, as in "Returns": line number, and its first words.

    Properties are left out: they are things, not actions.
    """
    found: list[tuple[int, str]] = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef) and not any("property" in ast.unparse(d) for d in node.decorator_list):
            docstring = ast.get_docstring(node) or "Returns"
            if not re.match(r"[A-Z][a-z]+s\b(?! of\b)", docstring):
                found.append((node.lineno, docstring[:40]))
    return found


def main() -> int:
    """Checks every file that is under version control."""
    listed = subprocess.run(["git", "ls-files", *CHECKED], cwd=ROOT, capture_output=True, text=True, check=True)
    count = 0
    for file in sorted(set(listed.stdout.split()) - set(EXEMPT)):
        path = ROOT / file
        for number, found, instead in places(path.read_text()) if path.exists() else ():
            print(f"{file}:{number}: {found!r}: write {instead!r}")
            count += 1
        if file.startswith("resumable_data/") and file.endswith(".py") and path.exists():
            for number, found in docstrings_without_verb(path.read_text()):
                print(f"{file}:{number}: {found!r}: begin with a verb, as in 'Returns'")
                count += 1
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())
