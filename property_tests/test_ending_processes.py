"""Text that ends, on any number of real processes: the same batches to the last, and each text measured once."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from property_tests.testing.elastic_pipelines import digest_at
from property_tests.testing.processes import completed
from property_tests.testing.programs.ending import BATCH, CASES, STEP, TEXTS, counted, pipeline, texts, write_corpus

PROGRAM = Path(__file__).with_name("testing") / "programs" / "ending.py"
MOST_READ_TWICE = 0.1

Reports = dict[tuple[Any, ...], list[dict[str, Any]]]


def reports_of(action: str, directory: Path, count: int) -> Reports:
    """Returns the reports of the processes for each case."""
    ended = completed(PROGRAM, [action, str(directory / "corpus"), str(directory / "checkpoints")], count=count)
    return {case: [process.reports[place] for process in ended] for place, case in enumerate(CASES)}


class Plain:
    """A case that one process alone runs to its end."""

    def __init__(self, corpus: Path, *, drop_remainder: bool) -> None:
        with iter(pipeline(corpus, texts(), drop_remainder=drop_remainder)) as iterator:
            self.batches = list(iterator)
            self.state, self.counted = iterator.get_state(), counted(iterator)

    def check(self, of_processes: list[dict[str, Any]], first: int) -> None:
        """Checks that the processes hold all cells of the batches from a step on, and no other batches."""
        for found in of_processes:
            assert len(found["shards"]) == len(self.batches) - first
            assert (found["state"], found["counted"]) == (self.state, self.counted)
        for step, batch in enumerate(self.batches[first:]):
            held = np.zeros(batch.inputs.shape, bool)
            for found in of_processes:
                for place, digest in found["shards"][step]:
                    assert digest == digest_at(batch, place)
                    (top, bottom), (left, right) = place
                    held[top:bottom, left:right] = True
            assert held.all()


@pytest.mark.parametrize(("saved_by", "restored_by"), [(4, 2), (2, 4)])
def test_all_end_with_the_batch_that_one_process_ends_with(tmp_path: Path, saved_by: int, restored_by: int) -> None:
    write_corpus(tmp_path / "corpus")
    plain = {drop: Plain(tmp_path / "corpus", drop_remainder=drop) for drop in (False, True)}
    # The end has a remainder, and the save is before the end.
    assert STEP < len(plain[True].batches) == len(plain[False].batches) - 1
    assert BATCH > plain[True].counted[3] > plain[False].counted[3] == 0

    before = reports_of("save", tmp_path, saved_by)
    after = reports_of("restore", tmp_path, restored_by)
    for case in CASES:
        expected = plain[case[1]]
        expected.check(before[case], 0)
        expected.check(after[case], STEP)
        each_text_is_tokenized_once(before[case])


def each_text_is_tokenized_once(of_processes: list[dict[str, Any]]) -> None:
    """Checks that each text is measured once. Few are read again, by a process that delivers but did not measure."""
    read = sum((Counter(found["read"]) for found in of_processes), Counter[int]())
    assert len(read) == len(TEXTS)
    assert read.total() <= (1 + MOST_READ_TWICE) * len(TEXTS)
