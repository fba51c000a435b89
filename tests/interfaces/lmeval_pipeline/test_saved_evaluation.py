"""An evaluation that saves itself resumes from its scores, and scores nothing twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import pytest

import resumable_data as rd
from property_tests.testing.evaluations import WEIGHT, batches, expected, score
from resumable_data.batch import LLMIndexedBatch
from resumable_data.lmeval_pipeline import Evaluation, TokenScores, run_saved


def test_a_run_that_saves_itself_goes_on(requests: list[Any], tokenizer: str, tmp_path: Path) -> None:
    class StoppedError(Exception):
        pass

    seen: list[int] = []

    def stopping(at: int | None) -> Any:
        def run(weight: Any, batch: LLMIndexedBatch) -> TokenScores:
            def note() -> None:
                seen.append(1)

            jax.debug.callback(note)
            if at is not None and batch.inputs.shape[1] == at:
                raise StoppedError
            return score(weight, batch)

        return run

    shapes = [batch.inputs.shape[1] for batch in batches(requests, tokenizer, padding_multiple=1)]
    assert shapes[4] not in shapes[:4]
    with (
        Evaluation(batches(requests, tokenizer, padding_multiple=1), stopping(shapes[4]), WEIGHT) as first,
        pytest.raises(StoppedError),
    ):
        run_saved(first, tmp_path / "run", save_every=3)
    jax.effects_barrier()
    assert len(seen) == 4

    with Evaluation(batches(requests, tokenizer, padding_multiple=1), stopping(None), WEIGHT) as second:
        assert run_saved(second, tmp_path / "run", save_every=3) == expected(requests)
    jax.effects_barrier()
    assert len(seen) == 4 + 3

    with Evaluation(batches(requests, tokenizer, padding_multiple=1), stopping(None), WEIGHT) as third:
        assert run_saved(third, tmp_path / "run") == expected(requests)
    jax.effects_barrier()
    assert len(seen) == 4 + 3
    with pytest.raises(rd.PipelineError, match="save_every=0"):
        run_saved(third, tmp_path / "run", save_every=0)
