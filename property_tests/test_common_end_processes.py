"""Text that ends, on real processes: the batches of one, on any number, each text tokenised by one of them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from property_tests.elastic_pipelines import digest_at, write_corpus
from property_tests.processes import completed
from property_tests.programs.ending import CASES, STEP, pipeline, texts

PROGRAM = Path(__file__).with_name("programs") / "ending.py"

Reports = dict[tuple[Any, ...], list[dict[str, Any]]]


def reports_of(action: str, directory: Path, count: int) -> Reports:
    """What the processes report of each case."""
    ended = completed(PROGRAM, [action, str(directory / "corpus"), str(directory / "checkpoints")], count=count)
    return {case: [process.reports[place] for process in ended] for place, case in enumerate(CASES)}


class Plain:
    """A case run by one process alone, to the end."""

    def __init__(self, corpus: Path, *, drop_remainder: bool) -> None:
        with iter(pipeline(corpus, texts(corpus), drop_remainder=drop_remainder)) as iterator:
            self.batches = list(iterator)
            progress = iterator.progress()
        self.counted = [progress.documents, progress.tokens, progress.dropped, progress.dropped_rows]

    def check(self, of_processes: list[dict[str, Any]], first: int) -> None:
        """Whether the processes hold the batches from a step on, all cells of them, and no others."""
        for found in of_processes:
            assert len(found["shards"]) == len(self.batches) - first
        for step, batch in enumerate(self.batches[first:]):
            held = np.zeros(batch.inputs.shape, bool)
            for found in of_processes:
                for place, digest in found["shards"][step]:
                    assert digest == digest_at(batch, place)
                    (top, bottom), (left, right) = place
                    held[top:bottom, left:right] = True
            assert held.all()


@pytest.mark.parametrize(("saved_by", "restored_by"), [(4, 2), (1, 4)])
def test_all_end_with_the_batch_that_one_process_ends_with(tmp_path: Path, saved_by: int, restored_by: int) -> None:
    write_corpus(tmp_path / "corpus")
    plain = {drop: Plain(tmp_path / "corpus", drop_remainder=drop) for drop in (False, True)}
    # It shows something only if some shards end before others.
    assert len(plain[True].batches) + 1 < len(plain[False].batches)
    assert plain[True].counted[3] > 8 > plain[False].counted[3] == 0

    before = reports_of("save", tmp_path, saved_by)
    behind = reports_of("restore", tmp_path, restored_by)
    for case in CASES:
        expected = plain[case[1]]
        expected.check(before[case], 0)
        expected.check(behind[case], STEP)
        for reports in (before[case], behind[case]):
            assert np.sum([found["counted"] for found in reports], axis=0).tolist() == expected.counted
        tokenised = sum((Counter(found["read"]) for found in before[case]), Counter[int]())
        assert set(tokenised.values()) == {1}, case
        assert case[1] or len(tokenised) == 200
