"""``view``: a batch as a page that shows the documents of its rows."""

from __future__ import annotations

import html
import json
import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast

import numpy as np

from resumable_data.answers.checkpoints import SavedState
from resumable_data.answers.explain import explained
from resumable_data.answers.page import page, save_page
from resumable_data.answers.replay import Replay
from resumable_data.answers.run import Run, side_of
from resumable_data.arguments import as_choice, as_integer, kind_of, optional
from resumable_data.arrays import Int64Array
from resumable_data.batch import LLMBatch
from resumable_data.errors import PipelineError
from resumable_data.explanation import Explanation, Span
from resumable_data.opaque import JsonDict
from resumable_data.stages.load_tokenizer import load_tokenizer


class Decoder(Protocol):
    """The part of a tokenizer that a page needs."""

    def decode(self, token_ids: Any) -> Any:
        """Returns the text of token ids."""
        ...


@dataclass(frozen=True)
class View:
    """A page about a batch.

    Attributes:
        title: What it shows.
        html: The page. It needs no other file and no network.
    """

    title: str
    html: str

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the page.

        Raises:
            PipelineError: The file cannot be written.
        """
        save_page(path, self.html)

    def __repr__(self) -> str:
        return f"<View: {self.title}, {len(self.html):,} characters>"

    def _repr_html_(self) -> str:
        escaped = html.escape(self.html, quote=True)
        return f'<iframe srcdoc="{escaped}" style="width: 100%; height: 40rem; border: 0"></iframe>'


def view(
    what: Run | LLMBatch,
    step: int | None = None,
    *,
    state: SavedState | None = None,
    allow: Collection[str] = (),
    tokenizer: Decoder | str | None = None,
    field: str | None = None,
    path: str | os.PathLike[str] | None = None,
) -> View:
    """Makes a page of the documents of a batch: text, borders, padding, tokens without a score, and origin.

    Args:
        what: An ``LLMBatch``; or a pipeline, an iterator or ``(pipeline, state)``. Of these it plans and reads the
            batch of a step, and shows the source of each document.
        step: The step of the run; None for an ``LLMBatch``.
        state: A state of the run, or its path, if ``what`` is a pipeline. One shortly before the step is best.
        allow: What may differ between the saved pipeline and this one, as in ``set_state``.
        tokenizer: Decodes token ids: any object with ``decode``, or what ``tokenize`` takes by name or path. Without
            it the page shows numbers.
        field: ``"targets"`` or ``"inputs"``. The default is the field that is not shifted, and the targets of an
            ``LLMBatch``.
        path: The file to write; None writes none.

    Raises:
        PipelineError: ``what`` is not a batch or a run, there is no such step, or the file cannot be written.
        StateError: The state is damaged.
        PipelineMismatchError: It belongs to another pipeline or to other data.

    >>> import resumable_data as rd
    >>> documents = rd.Dataset.from_source(rd.InMemorySource([[1, 2, 3], [4], [5, 6]]), name="toy").repeat()
    >>> rd.view(documents.pack(4, eod_id=9).batch(2), step=1).title
    'step 1: 2 rows of 4 tokens, 75.00 % filled, 3 documents, 6 scored tokens'
    """
    step, field = optional(as_integer, "view: step", step), optional(_as_field, "view: field", field)
    if isinstance(tokenizer, str):
        tokenizer = cast(Decoder, load_tokenizer(tokenizer))
    if tokenizer is not None and (isinstance(tokenizer, bytes) or not callable(getattr(tokenizer, "decode", None))):
        raise PipelineError(
            f"view: tokenizer is {kind_of(tokenizer)}; give an object with decode(ids), or a tokenizer's path or name"
        )
    if isinstance(what, LLMBatch):
        if step is not None:
            raise PipelineError("view: a batch has no step; leave step= out, or give the pipeline")
        made = _view(what, None, field or "targets", tokenizer)
    else:
        if step is None:
            raise PipelineError(f"view: {kind_of(what)} needs a step: give step=…; only an LLMBatch needs none")
        explanation, batch, shown = _of_run((what, state) if state is not None else what, step, allow)
        made = _view(batch, explanation, field or shown, tokenizer)
    if path is not None:
        made.save(path)
    return made


def _as_field(what: str, given: object) -> str:
    return as_choice(what, given, ("targets", "inputs"))


def _of_run(run: Any, step: int, allow: Collection[str]) -> tuple[Explanation, LLMBatch, str]:
    """Explains and reads the step of a run. Also returns the name of the field that is not shifted."""
    side = side_of("view: what", run)
    if side.batch is None:
        raise PipelineError("view: a state holds no documents; give (pipeline, state)")
    with Replay("view", side.batch, side.state, allow, progress=True) as replay:
        rows, batch = replay.batch(step)
        shown = "inputs" if side.batch.parent.format.shift == "targets" else "targets"
        return explained(side.batch, replay, step, rows), batch, shown


def _view(batch: LLMBatch, explanation: Explanation | None, field: str, tokenizer: Decoder | None) -> View:
    tokens, segments, targets = (
        np.atleast_2d(np.asarray(getattr(batch, name)))
        for name in (field, f"{field}_segmentation", "targets_segmentation")
    )
    # A loss mask removes segments from the targets only.
    segments = np.where(segments == 0, np.atleast_2d(np.asarray(batch.inputs_segmentation)), segments)
    scored, filled = int(np.count_nonzero(targets)), np.count_nonzero(segments) / max(1, segments.size)
    rows = [
        _row(tokens[row], segments[row], targets[row] != 0, explanation and explanation.rows[row], tokenizer)
        for row in range(len(tokens))
    ]
    documents = sum(len(row["documents"]) for row in rows)
    title = f"{len(tokens):,} rows of {tokens.shape[1]:,} tokens, {100 * filled:.2f} % filled, "
    title += f"{documents:,} documents, {scored:,} scored tokens"
    title = title if explanation is None else f"step {explanation.step}: {title}"
    content = {"length": tokens.shape[1], "rows": rows}
    # Without "<", the text cannot end its script element or begin a comment in it.
    data = json.dumps(content, separators=(",", ":")).replace("<", "\\u003c")
    body = (
        f'<header><h1>{html.escape(title)}</h1><div id="tools"></div></header>\n<main id="rows"></main>\n'
        f'<script type="application/json" id="data">{data}</script>'
    )
    return View(title, page(title, body, styles=("view.css",), script="view.js"))


def _row(
    tokens: Int64Array, segments: Int64Array, scored: Any, spans: Sequence[Span] | None, tokenizer: Decoder | None
) -> JsonDict:
    """Makes the data of a row for the page.

    Args:
        tokens: int[length].
        segments: int[length], the document of each cell, from 1; 0 on padding.
        scored: bool[length], whether the target of each cell is scored.
        spans: The origin of its documents, if it is known.
        tokenizer: Decodes tokens; None shows numbers.
    """
    documents: list[JsonDict] = []
    for start, stop in _runs(segments):
        if segments[start] == 0:
            continue
        number = int(segments[start]) - 1
        document: JsonDict = {"start": start, "stop": stop, "runs": []}
        for first, last in _runs(scored[start:stop]):
            run = slice(start + first, start + last)
            # Tokens are decoded together, since a character can take several tokens.
            text = _text(tokens[run].tolist(), tokenizer)
            said = {"start": run.start, "stop": run.stop, "scored": bool(scored[run.start]), "text": text}
            document["runs"].append(said)
        if spans is not None and number < len(spans):
            document["from"] = _origin(spans[number])
        documents.append(document)
    return {"documents": documents}


def _runs(values: Any) -> Iterator[tuple[int, int]]:
    """Yields the stretches of equal values of an array, as pairs of start and stop.

    >>> list(_runs(np.array([1, 1, 0, 2])))
    [(0, 2), (2, 3), (3, 4)]
    """
    if len(values):
        borders = np.flatnonzero(values[1:] != values[:-1]) + 1
        yield from zip([0, *borders.tolist()], [*borders.tolist(), len(values)], strict=True)


def _origin(span: Span) -> str:
    epoch = "" if span.epoch is None else f" · epoch {span.epoch}"
    file = "" if span.place is None else f" · {span.place}"
    tokens = f"tokens {span.start} to {span.stop - 1} of {span.length}"
    return f"{span.component}{epoch} · record {span.record} · {tokens}{file}"


def _text(ids: Sequence[int], tokenizer: Decoder | None) -> str:
    return " ".join(map(str, ids)) if tokenizer is None else str(tokenizer.decode(ids))
