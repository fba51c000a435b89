"""The pages of the site: each is reached, links lead somewhere, and the code of the guides runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import resumable_data as rd

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
PAGES_OF_THE_REPOSITORY = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "property_tests/README.md")
UNLISTED = {
    "checkpoint",  # a module
    *("Batch", "LLMIndexedFieldsBatch", "parse_int32_tokens", "parse_int64_tokens", "parse_uint16_tokens"),
}


def test_every_page_is_in_the_contents() -> None:
    trees = re.findall(r"```\{toctree\}\n(.*?)```", (DOCS / "index.md").read_text(), re.DOTALL)
    listed = {line for tree in trees for line in tree.splitlines() if line and not line.startswith(":")}
    pages = {page.relative_to(DOCS).with_suffix("").as_posix() for page in PAGES} - {"index"}

    assert not pages - listed, f"docs/index.md lacks {sorted(pages - listed)}: add each to a toctree there"
    assert not listed - pages, f"docs/index.md lists {sorted(listed - pages)}, which are not pages"


def text_of(page: Path) -> str:
    """A page without its code, and with the page that it includes."""
    included = re.sub(
        r"^```\{include\} (\S+)\n```$",
        lambda found: (page.parent / found[1]).read_text(),
        page.read_text(),
        flags=re.MULTILINE,
    )
    return re.sub(r"^```.*?^```$", "", included, flags=re.DOTALL | re.MULTILINE)


def anchors_of(text: str) -> set[str]:
    """The anchors that GitHub and the site give to the headings of a text, without its code."""
    titles = re.findall(r"^#{1,3} (.+)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def broken_links(page: Path) -> list[str]:
    """The links of a page to a file that is not there, or to a heading that its page does not have."""
    links = re.findall(r"\]\((?!\w+:)([^)#]*)(#[^)]*)?\)", text_of(page))
    return [
        link + anchor
        for link, anchor in links
        if not (target := page.parent / link if link else page).exists()
        or (anchor and anchor[1:] not in anchors_of(text_of(target)))
    ]


@pytest.mark.parametrize(
    "page", [*PAGES, *(ROOT / name for name in PAGES_OF_THE_REPOSITORY)], ids=lambda page: page.name
)
def test_links_lead_somewhere(page: Path) -> None:
    assert broken_links(page) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_stay_in_the_site(page: Path) -> None:
    links = re.findall(r"\]\((?!\w+:)([^)#]+\.md)", text_of(page))
    outside = [link for link in links if DOCS not in (page.parent / link).resolve().parents]

    assert not outside, f"{outside} are not pages of the site: write their names as code, without a link"


def test_a_link_to_nothing_is_found(tmp_path: Path) -> None:
    (tmp_path / "other.md").write_text("# Other\n\n## What it `costs`, in_all\n\n```\n# code\n```\n")
    page = tmp_path / "page.md"
    page.write_text(
        "# Page\n[a](other.md) [b](other.md#what-it-costs-in_all) [c](#page) [d](https://example.org#nothing)\n"
        "[e](another.md) [f](other.md#code) [g](#other) [h](other.md#what-it)\n"
    )

    assert broken_links(page) == ["another.md", "other.md#code", "#other", "other.md#what-it"]


def test_every_public_name_is_in_the_reference() -> None:
    reference = "\n".join(page.read_text() for page in (DOCS / "reference").glob("*.md"))
    listed = {name.rpartition(".")[2] for name in re.findall(r"auto(?:class|function):: (\S+)", reference)}
    missing = set(rd.__all__) - listed - UNLISTED

    assert not missing, (
        f"docs/reference lacks {sorted(missing)}: add an autoclass or autofunction block for each to the page of its "
        "kind, as for its neighbours there"
    )
    assert not listed & UNLISTED, "these are in docs/reference now: take them out of UNLISTED in this file"


@pytest.mark.parametrize("guide", sorted((DOCS / "guides").glob("*.md")), ids=lambda guide: guide.stem)
def test_the_code_of_a_guide_runs(guide: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", guide.read_text(), re.DOTALL)

    assert blocks
    defined = {"__name__": "guide"}
    for block in blocks:
        exec(compile(block, guide.name, "exec"), defined)
