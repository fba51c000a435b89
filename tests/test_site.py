"""The pages of the site: each is reached, links lead somewhere, and the code of the guides runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import resumable_data as rd

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
NOT_IN_REFERENCE = {"checkpoint"}  # a module


def test_every_page_is_in_the_contents() -> None:
    trees = re.findall(r"```\{toctree\}\n(.*?)```", (DOCS / "index.md").read_text(), re.DOTALL)
    listed = {line for tree in trees for line in tree.splitlines() if line and not line.startswith(":")}

    assert listed == {page.relative_to(DOCS).with_suffix("").as_posix() for page in PAGES} - {"index"}


@pytest.mark.parametrize("page", [*PAGES, ROOT / "README.md", ROOT / "CONTRIBUTING.md"], ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)", page.read_text())

    assert [link for link in links if not (page.parent / link).exists()] == []


def test_every_public_name_is_in_the_reference() -> None:
    reference = "\n".join(page.read_text() for page in (DOCS / "reference").glob("*.md"))
    listed = {name.rpartition(".")[2] for name in re.findall(r"auto(?:class|function):: (\S+)", reference)}

    assert set(rd.__all__) - NOT_IN_REFERENCE - listed == UNLISTED


UNLISTED = {"Batch", "LLMIndexedFieldsBatch", "parse_int32_tokens", "parse_int64_tokens", "parse_uint16_tokens"}


@pytest.mark.parametrize("guide", sorted((DOCS / "guides").glob("*.md")), ids=lambda guide: guide.stem)
def test_the_code_of_a_guide_runs(guide: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", guide.read_text(), re.DOTALL)

    assert blocks
    defined = {"__name__": "guide"}
    for block in blocks:
        exec(compile(block, guide.name, "exec"), defined)
