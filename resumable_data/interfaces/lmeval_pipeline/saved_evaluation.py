"""Runs an evaluation that saves itself in a folder, and resumes from there."""

from __future__ import annotations

from typing import Any

import orbax.checkpoint as ocp
from etils import epath

from resumable_data.checkpoint import DataRestore, DataSave
from resumable_data.errors import PipelineError
from resumable_data.interfaces.lmeval_pipeline.aggregate import Score
from resumable_data.interfaces.lmeval_pipeline.evaluation import Evaluation


def run_saved(evaluation: Evaluation, directory: epath.PathLike, save_every: int = 100) -> list[Score]:
    """Scores the rest of an evaluation, and saves it every few batches and at its end.

    Args:
        evaluation: The evaluation. It resumes from the latest checkpoint in the folder, if there is one. In a run of
            several processes all of them call this function.
        directory: A folder only for this evaluation. It keeps the latest checkpoint.
        save_every: Batches from one checkpoint to the next.

    Returns:
        One score a request, in the order of the requests.

    Raises:
        PipelineError: ``save_every`` is below 1, or the result of ``score`` has a wrong form.
        StateError: The checkpoint is damaged.
        PipelineMismatchError: The checkpoint is of another model, other requests or other batches.
    """
    if save_every < 1:
        raise PipelineError(f"save_every={save_every} must be at least 1 batch")
    options = ocp.CheckpointManagerOptions(max_to_keep=1)
    manager: Any = ocp.CheckpointManager(epath.Path(directory), options=options)
    with manager:
        if (latest := manager.latest_step()) is not None:
            manager.restore(latest, args=ocp.args.Composite(evaluation=DataRestore(evaluation)))
        for step in evaluation:
            if step % save_every == 0 or step == len(evaluation):
                manager.save(step, args=ocp.args.Composite(evaluation=DataSave(evaluation, expect_step=step)))
    return evaluation.results()
