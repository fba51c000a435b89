"""Saved by N real processes and restored by M: the same bytes, for N and M of 1, 2 and 4."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import resumable_data as rd
from property_tests.testing.elastic_pipelines import (
    OTHER_BATCH,
    OTHER_STEPS,
    STEP,
    STEPS,
    digest_at,
    pipelines,
    write_corpus,
)
from property_tests.testing.elastic_table import WRITES, Restored, document, documented_verdicts, text_is_current
from property_tests.testing.processes import completed

PROGRAM = Path(__file__).with_name("testing") / "programs" / "elastic.py"
COUNTS = (1, 2, 4)

Reports = Sequence[dict[str, Any]]


@dataclass(frozen=True)
class Plain:
    """Pipelines that run in one process without an interruption.

    Attributes:
        batches: The batches of each pipeline by step.
        states: The position of each pipeline at the save.
        other: The larger batches of each pipeline after the save, by step.
    """

    batches: dict[str, list[rd.LLMBatch]]
    states: dict[str, Any]
    other: dict[str, list[rd.LLMBatch]]

    def has(self, name: str, reports: Reports, steps: range, *, other: bool = False) -> bool:
        """Says whether every part of these batches, on any process, has the right bytes, and no part is missing."""
        batches = self.other[name] if other else self.batches[name]
        found = [(report["step"], place, digest) for report in reports for place, digest in report["shards"][name]]
        held = {step: np.zeros(batches[step].inputs.shape, bool) for step in steps}
        for step, ((top, bottom), (left, right)), _ in found:
            held[step][top:bottom, left:right] = True
        whole = all(cells.all() for cells in held.values())
        return whole and all(digest == digest_at(batches[step], place) for step, place, digest in found)


def uninterrupted(corpus: Path) -> Plain:
    batches: dict[str, list[rd.LLMBatch]] = {}
    states: dict[str, Any] = {}
    other: dict[str, list[rd.LLMBatch]] = {}
    larger = pipelines(corpus, OTHER_BATCH)
    for name, data in pipelines(corpus).items():
        with iter(data) as iterator:
            before = [next(iterator) for _ in range(STEP)]
            states[name] = iterator.get_state()
            batches[name] = [*before, *(next(iterator) for _ in range(STEPS - STEP))]
        with iter(larger[name]) as iterator:
            iterator.set_state(states[name], allow={"batch"})
            other[name] = [*before, *(next(iterator) for _ in range(OTHER_STEPS))]
    return Plain(batches, states, other)


def reports_of(action: str, corpus: Path, checkpoints: Path, *arguments: str, count: int) -> Reports:
    ended = completed(PROGRAM, [action, str(corpus), str(checkpoints), *arguments], count=count)
    return [report for process in ended for report in process.reports]


def test_the_page_has_the_text_of_its_writer() -> None:
    assert text_is_current(), "docs/elastic_resume.md is written by elastic_table.py: change the text in both"


def test_m_processes_continue_what_n_processes_saved(tmp_path: Path) -> None:
    corpus, checkpoints = tmp_path / "corpus", tmp_path / "checkpoints"
    write_corpus(corpus)
    plain = uninterrupted(corpus)
    for count in COUNTS:
        before = reports_of("save", corpus, checkpoints, str(count), count=count)
        assert all(plain.has(name, before, range(STEP)) for name in plain.batches), count

    a_change_of_the_batch_moves_nothing(plain)

    state_bytes = states_do_not_depend_on_who_saved(checkpoints, plain)
    after = {count: reports_of("restore", corpus, checkpoints, *map(str, COUNTS), count=count) for count in COUNTS}
    matrix = [compared(plain, n, m, after[m]) for n, m in itertools.product(COUNTS, COUNTS)]
    if WRITES:
        document(matrix, state_bytes)
    assert all(all(restored.verdicts.values()) for restored in matrix), matrix
    verdicts = [restored.verdict_row() for restored in matrix]
    assert documented_verdicts() == verdicts, "write the table again: see elastic_table.py"


def compared(plain: Plain, saved_by: int, restored_by: int, reports: Reports) -> Restored:
    """Compares the reports of a restore with the run without interruptions."""
    after = range(STEP, STEPS)
    of_restore = [report for report in reports if report["saved_by"] == str(saved_by)]
    by_api = {
        api: [r for r in of_restore if r["api"] == api] for api in ("v0", "v0 to v1", "v1 to v0", "other batch")
    }
    verdicts = {name: plain.has(name, by_api["v0"], after) for name in plain.batches}
    for api in ("v0 to v1", "v1 to v0"):
        verdicts[api] = all(plain.has(name, by_api[api], after) for name in plain.batches)
    larger = range(STEP, STEP + OTHER_STEPS)
    verdicts["other batch"] = all(
        plain.has(name, by_api["other batch"], larger, other=True) for name in plain.batches
    )
    seconds = [report["seconds"] for report in by_api["v0"] if "seconds" in report]
    assert len(seconds) == restored_by
    return Restored(saved_by, restored_by, verdicts, np.max(seconds, axis=0).tolist())


def a_change_of_the_batch_moves_nothing(plain: Plain) -> None:
    """Checks that the next rows are the same, in larger batches."""
    for name in ("packed", "sequence-sharded", "text", "filtered text", "mixed texts", "text and tokens"):
        rows = Counter(rows_of(plain.batches[name][STEP:]))
        assert rows <= Counter(rows_of(plain.other[name][STEP:])), name
        assert rows.total() > 0


def rows_of(batches: Sequence[rd.LLMBatch]) -> list[bytes]:
    return [row.tobytes() for batch in batches for row in batch.targets]


def states_do_not_depend_on_who_saved(checkpoints: Path, plain: Plain) -> dict[str, int]:
    """Returns the sizes of the state files, which do not depend on the number of processes or the API."""
    sizes: dict[str, int] = {}
    for name, state in plain.states.items():
        directories = [checkpoints / str(count) / str(STEP) / name for count in COUNTS]
        directories += [checkpoints / f"{count} v1" / name for count in COUNTS]
        for file in ("state.json", "pipeline.json", "edits.json"):
            assert len({(directory / file).read_bytes() for directory in directories}) == 1, (name, file)
        written = (directories[0] / "state.json").read_bytes()
        assert json.loads(written) == state
        sizes[name] = len(written)
    return sizes


@pytest.mark.parametrize("damage", ["digest", "missing", "step"])
def test_the_comparison_sees_a_difference(tmp_path: Path, damage: str) -> None:
    write_corpus(tmp_path / "corpus")
    plain = uninterrupted(tmp_path / "corpus")
    whole = [[0, 8], [0, 32]]
    right = [
        {"step": step, "shards": {"packed": [(whole, digest_at(plain.batches["packed"][step], whole))]}}
        for step in range(2)
    ]
    assert plain.has("packed", right, range(2))
    if damage == "digest":
        right[1]["shards"] = right[0]["shards"]
    elif damage == "missing":
        half = [[0, 4], [0, 32]]
        right[1]["shards"] = {"packed": [(half, digest_at(plain.batches["packed"][1], half))]}
    else:
        del right[1]
    assert not plain.has("packed", right, range(2))
