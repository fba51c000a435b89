"""Draws the pictures of the pages from what the library really plans: ``python docs/pictures/draw.py``.

Each picture is an SVG that is readable on a light and on a dark page.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

import resumable_data as rd
from resumable_data.arrays import Int64Array
from resumable_data.interfaces.lmeval_pipeline.batches import RequestBatches
from resumable_data.interfaces.lmeval_pipeline.rows import RequestRows
from resumable_data.interfaces.lmeval_pipeline.tokens import RequestTokens
from resumable_data.order.sequence import deal_rows

FOLDER = Path(__file__).parent
COLORS = (
    "#4c78a8",
    "#f58518",
    "#54a24b",
    "#e45756",
    "#72b7b2",
    "#b279a2",
    "#9d755d",
    "#eeca3b",
    "#79706e",
    "#d67195",
)
STYLE = """<style>
text { font: 12px system-ui, sans-serif; fill: #24292f; }
.small { font-size: 10px; } .white { fill: #fff; } .strong { font-weight: 600; }
.line { stroke: #6e7781; fill: none; } .dash { stroke-dasharray: 4 3; } .pad { fill: #d0d7de; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3; } .white { fill: #fff; } .line { stroke: #8b949e; } .pad { fill: #30363d; }
}
</style>"""


class Picture:
    """An SVG that grows as things are drawn on it.

    Args:
        width: Its width in pixels.
        title: What a screen reader says.
    """

    def __init__(self, width: int, title: str) -> None:
        self._width, self._height = width, 0.0
        self._parts = [f"<title>{title}</title>", STYLE]

    def box(self, x: float, y: float, width: float, height: float, color: str, text: str = "") -> None:
        """Draws a filled box; an empty color is that of padding."""
        fill = f'fill="{color}"' if color else 'class="pad"'
        self._parts.append(f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="2" {fill}/>')
        if text:
            self.text(x + width / 2, y + height / 2 + 4, text, "small white", "middle")
        self._height = max(self._height, y + height)

    def text(self, x: float, y: float, text: str, kind: str = "", anchor: str = "start") -> None:
        """Writes a line."""
        self._parts.append(f'<text x="{x:g}" y="{y:g}" class="{kind}" text-anchor="{anchor}">{text}</text>')
        self._height = max(self._height, y + 4)

    def line(self, points: Iterable[tuple[float, float]], color: str = "", dashed: bool = False) -> None:
        """Draws a line through points."""
        listed = list(points)
        path = " ".join(f"{x:g},{y:g}" for x, y in listed)
        style = f'stroke="{color}" fill="none" stroke-width="1.5"' if color else ""
        self._parts.append(
            f'<polyline points="{path}" class="{"" if color else "line"}{" dash" if dashed else ""}" {style}/>'
        )
        self._height = max(self._height, *(y for _, y in listed))

    def save(self, name: str) -> None:
        """Writes the file."""
        size = f'viewBox="0 0 {self._width} {self._height + 8:g}" width="{self._width}"'
        text = "\n".join([f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">', *self._parts, "</svg>"])
        (FOLDER / name).write_text(text + "\n")


def draw_elastic() -> None:
    """A run on four processes is killed and goes on with two: every row is where it would have been."""
    documents = rd.Dataset.from_source(rd.SyntheticSource(60, lengths=[5, 9, 12])).shuffle(seed=3).repeat()
    data = documents.pack(16, eod_id=0).batch(8)
    picture = Picture(720, "A run on four processes is killed and resumed on two, with the same rows")
    picture.text(10, 18, "4 processes", "strong")
    picture.text(378, 18, "2 processes", "strong")
    for step in range(8):
        x = 10 + step * 83 + (36 if step >= 4 else 0)
        processes = 4 if step < 4 else 2
        picture.text(x + 36, 38, f"step {step}", "small", "middle")
        for row, spans in enumerate(data.explain(step).rows):
            y = 46 + row * 18 + 4 * (row * processes // 8)
            for span in spans:
                color = COLORS[span.record % len(COLORS)]
                picture.box(x + span.column * 4.5, y, (span.stop - span.start) * 4.5 - 1, 14, color, str(span.record))
        for process in range(processes if step in (3, 7) else 0):
            y = 46 + (process + 0.5) * (8 // processes) * 18 + 4 * process
            picture.text(x + 76, y, f"p{process}", "small")
    picture.line([(362, 8), (362, 210)], dashed=True)
    picture.text(362, 226, "killed; the checkpoint says step 4", "small", "middle")
    picture.save("elastic.svg")


def draw_window() -> None:
    """The documents of a window, and the rows that each strategy makes of them."""
    lengths = [3, 9, 14, 6, 2, 11, 5, 4, 7, 3]
    source = rd.InMemorySource([[number] * length for number, length in enumerate(lengths)])
    documents = rd.Dataset.from_source(source, name="toy")
    picture = Picture(720, "A window of ten documents packed by three strategies")
    picture.text(10, 16, "a window: ten documents, in the order of the epoch", "strong")
    x = 10.0
    for number, length in enumerate(lengths):
        picture.box(x, 24, length * 9, 18, COLORS[number], str(number))
        x += length * 9 + 4
    for place, strategy in enumerate(("best_fit", "first_fit", "concat_split")):
        left = 10 + place * 240
        data = documents.pack(16, strategy=strategy, eod_id=0).batch(1)
        rows = [data.explain(step).rows[0] for step in range(len(data))]
        picture.text(left, 72, strategy, "strong")
        for row, spans in enumerate(rows):
            picture.box(left, 82 + row * 22, 16 * 13, 18, "")
            for span in spans:
                width = (span.stop - span.start) * 13 - 1
                color = COLORS[span.record % len(COLORS)]
                picture.box(left + span.column * 13, 82 + row * 22, width, 18, color, str(span.record))
    picture.save("window.svg")


def draw_deal() -> None:
    """The rows of a group of four windows, as they are dealt into one sequence."""
    counts = np.array([5, 3, 6, 2])
    shard, number = deal_rows(counts)
    picture = Picture(720, "The rows of four windows dealt into one sequence")
    picture.text(10, 16, "a group of four windows; one logical shard measures each", "strong")
    for own, count in enumerate(counts.tolist()):
        picture.text(10, 42 + own * 24, f"shard {own}")
        for row in range(count):
            picture.box(70 + row * 40, 28 + own * 24, 36, 19, COLORS[own], f"{own}.{row}")
    picture.text(
        10, 142, "the one sequence: rounds that take a row of each list; a surplus goes to the nearest", "strong"
    )
    for place, (own, row) in enumerate(zip(shard.tolist(), number.tolist(), strict=True)):
        picture.box(10 + place * 43.5, 152, 40, 19, COLORS[own], f"{own}.{row}")
    for border in range(0, 17, 4):
        picture.line([(8 + border * 43.5, 148), (8 + border * 43.5, 182)], dashed=True)
    for step in range(4):
        picture.text(8 + (step + 0.5) * 174, 192, f"batch {step}", "small", "middle")
    picture.save("deal.svg")


def draw_mix() -> None:
    """A mix of three components: each stays within one sample of its target, also after an edit."""
    weights = {"web": 5, "code": 2, "math": 1}
    parts = {
        name: rd.Dataset.from_source(rd.SyntheticSource(50, [3])).repeat().pad(3, eod_id=0)
        for name in sorted(weights)
    }
    plan = rd.mix(parts, weights).batch(1)
    names = [plan.explain(step).rows[0][0].component for step in range(48)]
    picture = Picture(720, "A mix of three components stays within one sample of its targets")
    picture.text(10, 16, "mix({web, code, math}, {web: 5, code: 2, math: 1}): the first 48 samples", "strong")
    for step, name in enumerate(names):
        picture.box(10 + step * 14.5, 26, 12.5, 18, COLORS[list(weights).index(name)])
    picture.text(10, 72, "delivered less target: never a whole sample", "strong")
    for bound, label in ((-1, "−1"), (0, "0"), (1, "+1")):
        y = 130 - bound * 44
        picture.line([(30, y), (706, y)], dashed=bound != 0)
        picture.text(24, y + 4, label, "small", "end")
    for place, (name, weight) in enumerate(weights.items()):
        share = weight / sum(weights.values())
        ahead = np.cumsum([one == name for one in names]) - share * np.arange(1, 49)
        points = [(30 + (step + 1) * 14, 130 - float(value) * 44) for step, value in enumerate(ahead)]
        picture.line(points, COLORS[place])
        picture.box(40 + place * 90, 188, 10, 10, COLORS[place])
        picture.text(54 + place * 90, 197, name)
    picture.save("mix.svg")


def draw_cursor() -> None:
    """What a state is: the place after the last batch that was handed over, whatever was loaded ahead."""
    picture = Picture(720, "A state is the place after the last batch that was handed over")
    for step in range(10):
        x = 10 + step * 70
        delivered, loaded = step < 4, step < 7
        picture.box(x, 40, 64, 30, COLORS[2] if delivered else COLORS[0] if loaded else "")
        picture.text(x + 32, 59, f"batch {step}", "small white" if loaded else "small", "middle")
    picture.text(10 + 2 * 70, 30, "handed to the loop", "strong", "middle")
    picture.text(10 + 5.5 * 70, 30, "loaded ahead", "strong", "middle")
    picture.text(10 + 8.5 * 70, 30, "planned when it is needed", "strong", "middle")
    picture.line([(287, 34), (287, 100)])
    picture.text(287, 116, "get_state(): step 4, and a few integers a component", "", "middle")
    picture.text(287, 134, "a restore drops what was loaded ahead, and plans batch 4 again", "small", "middle")
    picture.save("cursor.svg")


def draw_padding() -> None:
    """The batches of an evaluation on four processes, sorted by each process and over all of them."""
    random = np.random.default_rng(1)
    # lengths: int64[4, 12], of the requests of four tasks, of which each process has one as its stretch
    lengths = np.stack([random.integers(low, high, 12) for low, high in ((2, 7), (4, 12), (12, 33), (6, 16))])
    each = [_lengths_by_batch(stretch, 2) for stretch in lengths]
    panels = {
        "sorted by each process: the longest row of any process decides": [
            [(process, length) for process in range(4) for _, length in each[process][batch]] for batch in range(6)
        ],
        "sorted over all processes": [
            [(request // 12, length) for request, length in batch] for batch in _lengths_by_batch(lengths.ravel(), 8)
        ],
    }
    picture = Picture(720, "Batches of an evaluation sorted by each process, and sorted over all processes")
    for panel, (name, batches) in enumerate(panels.items()):
        top = 16 + panel * 150
        widths = [-(-max(length for _, length in batch) // 4) * 4 for batch in batches]
        padding = 1 - lengths.sum() / (8 * sum(widths))
        picture.text(10, top, f"{name}: {100 * padding:.0f} % is padding", "strong")
        for number, (batch, width) in enumerate(zip(batches, widths, strict=True)):
            x = 34 + number * 114
            picture.text(x, top + 20, f"batch {number}", "small")
            for row, (task, length) in enumerate(batch):
                y = top + 26 + row * 11 + row // 2 * 3
                picture.box(x, y, width * 3.3, 9, "")
                picture.box(x, y, length * 3.3, 9, COLORS[task])
        for process in range(4):
            picture.text(10, top + 40 + process * 25, f"p{process}", "small")
    picture.save("padding.svg")


def _lengths_by_batch(lengths: Int64Array, rows: int) -> list[list[tuple[int, int]]]:
    """Makes the batches of requests, and returns the request and the length of each row."""
    texts = [np.zeros(length, np.int32) for length in (0, *lengths.tolist())]
    tokens = RequestTokens(0, texts, [0] * len(lengths), list(range(1, len(texts))))
    batches = RequestBatches(
        RequestRows(tokens, None), global_batch_size=rows, host_index=0, host_count=1, padding_multiple=4
    )
    return [
        list(zip((batch.document_idx - 1).tolist(), (batch.inputs_segmentation != 0).sum(1).tolist(), strict=True))
        for batch in batches
    ]


if __name__ == "__main__":
    for draw in (draw_elastic, draw_window, draw_deal, draw_mix, draw_cursor, draw_padding):
        draw()
