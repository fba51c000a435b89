"""``explain`` as a function, for those who have a pipeline, a state and a step in hand."""

from __future__ import annotations

from collections.abc import Collection

from resumable_data.answers.checkpoints import SavedState
from resumable_data.dataset.batches import BatchDataset
from resumable_data.explanation import Explanation
from resumable_data.opaque import Element


def explain(
    data: BatchDataset[Element],
    state: SavedState | None,
    step: int,
    *,
    allow: Collection[str] = (),
    progress: bool = True,
) -> Explanation:
    """Lists the documents of the global batch of a step, as ``data.explain(step, state=state)`` does.

    Args:
        data: The pipeline.
        state: A state of the run, or its path; None for a run from its start.
        step: The step.
        allow: What may differ between the saved pipeline and this one, as in ``set_state``.
        progress: Whether to show a progress bar if it takes more than a second.

    Raises:
        PipelineError: There is no such step, or it is before the state and the run was changed in between.
        StateError: The state is damaged.
        PipelineMismatchError: It belongs to another pipeline or to other data.

    >>> import resumable_data as rd
    >>> data = rd.Dataset.from_source(rd.SyntheticSource(9, [3])).pad(3, eod_id=0).batch(2)
    >>> [span.record for row in rd.explain(data, None, 2).rows for span in row]
    [4, 5]
    """
    return data.explain(step, state=state, allow=allow, progress=progress)
