"""The pages of ``view`` and ``simulate`` in a real browser, from files."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import resumable_data as rd
from property_tests.testing.browser import opened_browser, opened_page

pytestmark = pytest.mark.one_python  # the browser is the same one

HOSTILE = [
    '<script>document.title = "hacked"</script>',
    '<img src="x" onerror="document.title = \'hacked\'"> <b>bold</b>',
    "</script><script>document.title = 'hacked'</script>",
    "<!-- a comment --> & an ampersand &lt;",
    "a spike in the loss",
]
SIZES = [(1440, 900, False), (390, 844, True), (390, 844, False), (1440, 900, True)]


class Texts:
    """Token n is the n-th hostile text."""

    def decode(self, ids: Any) -> str:
        return " ".join(HOSTILE[i % len(HOSTILE)] for i in ids)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with opened_browser() as opened:
        yield opened


def data(length: int = 8, batch: int = 4) -> rd.Dataset[Any]:
    documents = rd.Dataset.from_source(rd.SyntheticSource(500, [3, 2], vocabulary=len(HOSTILE)), name="<i>web")
    return documents.shuffle(1).repeat().pack(length, eod_id=0).batch(batch)


@pytest.mark.parametrize(("width", "height", "dark"), SIZES)
def test_a_batch_is_shown_as_text(browser: Any, tmp_path: Path, width: int, height: int, dark: bool) -> None:
    file = tmp_path / "batch <b>.html"
    title = rd.view(data(), 0, tokenizer=Texts(), path=file).title
    with opened_page(browser, file, width=width, height=height, dark=dark) as page:
        page.wait_for_selector(".text")
        assert page.title() == title
        assert page.locator("section.row").count() == 4
        assert page.locator("script").count() == 2
        assert page.locator("main b, main img, main i:not([class])").count() == 0
        assert "<i>web · epoch 0" in page.inner_text("#row-0 .origin >> nth=0")
        shown = page.inner_text("main")
        assert any(text in shown for text in HOSTILE[:3])
        # Nothing may be wider than the window, or it cannot be read.
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_search_and_keys_move_through_the_rows(browser: Any, tmp_path: Path) -> None:
    file = tmp_path / "batch.html"
    rd.view(data(64, 30), 0, tokenizer=Texts(), path=file)
    with opened_page(browser, file, height=500) as page:
        for key, row in (("j", "1"), ("j", "2"), ("k", "1"), ("ArrowRight", "2"), ("ArrowLeft", "1")):
            page.keyboard.press(key)
            assert page.locator("section.current").get_attribute("id") == f"row-{row}"
        page.keyboard.press("/")
        page.keyboard.type("SPIKE in the")
        hits = int(page.inner_text("#hits").split(" of ")[1])
        assert page.inner_text("mark.current").lower() == "spike in the"
        page.keyboard.press("Escape")
        page.keyboard.press("p")
        assert page.inner_text("#hits") == f"{hits} of {hits}"
        page.keyboard.press("n")
        assert page.inner_text("#hits") == f"1 of {hits}"
        page.get_by_role("button", name="Next").click()
        assert page.inner_text("#hits") == f"2 of {hits}"
        page.get_by_label("Search").fill("nothing like this")
        assert page.inner_text("#hits") == "no hit"


def test_a_large_batch_opens(browser: Any, tmp_path: Path) -> None:
    file = tmp_path / "large.html"
    documents = rd.Dataset.from_source(rd.SyntheticSource(3000, [300, 900, 80], vocabulary=50_000), name="web")
    rd.view(documents.repeat().pack(8192, eod_id=0).batch(64), 0, path=file)
    assert file.stat().st_size < 10_000_000
    began = time.perf_counter()
    with opened_page(browser, file) as page:
        page.wait_for_selector(".text")
        took = time.perf_counter() - began
        print(f"64 rows of 8,192 tokens: {file.stat().st_size:,} B, shown after {took:.2f} s")
        # Rows far below are drawn only when somebody scrolls to them.
        assert page.locator("#row-63 .text").count() == 0
        page.locator("#row-63").scroll_into_view_if_needed()
        page.wait_for_selector("#row-63 .text")


@pytest.mark.parametrize(("width", "height", "dark"), SIZES)
def test_a_simulation_is_shown(browser: Any, tmp_path: Path, width: int, height: int, dark: bool) -> None:
    file = tmp_path / "run.html"
    data().simulate(50).save_html(file)
    with opened_page(browser, file, width=width, height=height, dark=dark) as page:
        assert page.locator("figure svg").count() == 4
        assert page.inner_text("td >> nth=0") == "<i>web"
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        ink = page.evaluate("getComputedStyle(document.querySelector('figure svg text')).fill")
        paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
        light = [sum(map(int, colour[4:-1].split(",")[:3])) for colour in (ink, paper)]
        assert abs(light[0] - light[1]) > 400, (ink, paper)
