"""The page of a simulation: tables, and pictures that Matplotlib draws."""

from __future__ import annotations

import html
import io
import re
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from resumable_data.answers.page import page
from resumable_data.answers.simulation import OverTime, Simulation
from resumable_data.errors import PipelineError
from resumable_data.opaque import Axes

_INK = "#123abc"
"""A stand-in for the colour of the page's text, which depends on the reader's light or dark mode."""

_COLOURS = ("#3b82d0", "#e08a2e", "#3fa66b", "#c2557f", "#8a6fc8", "#5aa7b0", "#a88b3c", "#d0604f", "#7c8796")
_MOST_LINES = len(_COLOURS) - 1


def simulation_page(simulation: Simulation) -> str:
    """Makes the page: HTML that needs no other file and no network.

    Raises:
        PipelineError: Matplotlib is not installed.
    """
    header, rows = simulation.component_table()
    facts = "".join(f"<dt>{html.escape(name)}</dt><dd>{html.escape(said)}</dd>" for name, said in simulation.facts())
    body = [
        f"<h1>{html.escape(simulation.headline)}</h1>",
        _table(header, rows),
        f"<dl>{facts}</dl>",
        f'<div class="pictures">{"".join(_figures(simulation))}</div>' if simulation.steps else "",
    ]
    return page("Simulation of a run", "\n".join(body))


def _table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    def cells(tag: str, row: Sequence[object]) -> str:
        return "<tr>" + "".join(f"<{tag}>{html.escape(str(cell))}</{tag}>" for cell in row) + "</tr>"

    lines = [cells("th", header), *(cells("td", row) for row in rows)]
    return f'<div class="scroll"><table>{"".join(lines)}</table></div>'


def _figures(simulation: Simulation) -> Iterator[str]:
    over_time = simulation.over_time
    yield _drawn("Mix by tokens", lambda axes: _draw_mix(axes, over_time, over_time.tokens))
    yield _drawn("Mix by documents", lambda axes: _draw_mix(axes, over_time, over_time.documents))
    yield _drawn("Padding, % of the cells", lambda axes: _draw_padding(axes, over_time))
    yield _drawn("Batch, rows", lambda axes: _draw_ramp(axes, simulation))


def _draw_mix(axes: Axes, over_time: OverTime, counted: Mapping[str, Sequence[int]]) -> None:
    """Draws the shares of the components. The smallest are joined to one area."""
    names = sorted(counted, key=lambda name: -sum(counted[name]))
    groups = {name: np.array(counted[name]) for name in names[:_MOST_LINES]}
    if rest := names[_MOST_LINES:]:
        groups[f"{len(rest)} others"] = np.sum([counted[name] for name in rest], axis=0)
    total = np.maximum(np.sum(list(groups.values()), axis=0), 1)
    shares = [100 * values / total for values in groups.values()]
    if len(over_time.steps) == 1:  # an area needs two points
        steps, shares = [over_time.steps[0], over_time.steps[0] + 1], [np.repeat(share, 2) for share in shares]
    else:
        steps = list(over_time.steps)
    # Matplotlib reads a dollar sign as the start of a formula.
    labels = [name.replace("$", r"\$") for name in groups]
    axes.stackplot(steps, *shares, labels=labels, colors=_COLOURS, linewidth=0)
    axes.set_ylim(0, 100)
    axes.set_ylabel("%")
    below = {"loc": "upper left", "bbox_to_anchor": (0, -0.2), "ncol": 3}
    axes.legend(**below, frameon=False, labelcolor=_INK, fontsize=9)


def _draw_padding(axes: Axes, over_time: OverTime) -> None:
    axes.plot(over_time.steps, [100 * share for share in over_time.padding], color=_COLOURS[0], linewidth=1.6)
    axes.set_ylim(bottom=0)


def _draw_ramp(axes: Axes, simulation: Simulation) -> None:
    end = simulation.first + simulation.steps
    steps = [ramp.step for ramp in simulation.ramps]
    sizes = [ramp.rows for ramp in simulation.ramps]
    axes.step([*steps, end], [*sizes, sizes[-1]], where="post", color=_COLOURS[0], linewidth=1.6)
    axes.set_ylim(bottom=0)


def _drawn(title: str, draw: Callable[[Any], None]) -> str:
    with _figure() as (figure, axes):
        draw(axes)
        axes.set_xlabel("step")
        for part in (axes.xaxis.label, axes.yaxis.label):
            part.set_color(_INK)
        axes.set_title(title, loc="left", fontsize=11, color=_INK)
        axes.tick_params(colors=_INK, labelsize=9)
        for name, spine in axes.spines.items():
            spine.set_visible(name in ("left", "bottom"))
            spine.set_color(_INK)
        written = io.StringIO()
        figure.savefig(written, format="svg", transparent=True, bbox_inches="tight", metadata={"Date": None})
    svg = written.getvalue()
    svg = svg[svg.index("<svg") :].replace(_INK, "currentColor")
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    label = html.escape(title, quote=True)
    # All pictures stand in one page, so their ids must differ.
    prefix = re.sub(r"\W", "", title)
    svg = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{prefix}-", svg)
    return f'<figure role="img" aria-label="{label}">{svg}</figure>'


@contextmanager
def _figure() -> Generator[tuple[Any, Any]]:
    """Yields a figure of Matplotlib, without the global state of ``pyplot``."""
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ImportError as error:
        raise PipelineError(
            "matplotlib draws the pictures of a simulation: pip install 'resumable_data[plots]'"
        ) from error
    # Text stays text in the font of the page. A fixed salt gives equal figures equal bytes.
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "resumable_data", "font.family": "sans-serif"}):
        figure = Figure(figsize=(5.4, 2.9))
        yield figure, figure.add_subplot()
