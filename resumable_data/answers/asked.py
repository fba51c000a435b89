"""The questions that a pipeline of batches answers."""

from __future__ import annotations

from collections.abc import Collection

from resumable_data.answers.checkpoints import SavedState
from resumable_data.answers.explain import explain
from resumable_data.answers.simulate import simulate
from resumable_data.answers.simulation import Simulation
from resumable_data.answers.verify import Verified, verify
from resumable_data.answers.when import Appearance, when
from resumable_data.explanation import Explanation
from resumable_data.stages.batch import Batch


class Asked:
    """The questions about a run that its plans can answer: one method a question.

    Attributes:
        node: The stage that makes the batches.
    """

    node: Batch

    def explain(
        self,
        step: int,
        *,
        state: SavedState | None = None,
        allow: Collection[str] = (),
        progress: bool = True,
    ) -> Explanation:
        """Lists the documents of the global batch of a step: component, record, epoch, tokens, place and file.

        It plans the run again, at about a microsecond a document, and delivers nothing. It reads documents only if
        their lengths are not known, as ``skip`` does. It covers the whole batch, not only the rows that ``shard`` or
        ``place`` gives this process.

        Args:
            step: The step: the value of ``iterator.step`` before its batch is delivered.
            state: A state of the run. Planning begins there, so a state shortly before the step is best. An earlier
                step is planned from the start, with the run's skips. None means a run that was never changed.
            allow: What may differ between the saved pipeline and this one, as in ``set_state``.
            progress: Whether to show a progress bar if it takes more than a second.

        Raises:
            PipelineError: There is no such step, or it is before the state and the run was changed in between.
            StateError: The state is damaged.
            PipelineMismatchError: It belongs to another pipeline or to other data.

        >>> import resumable_data as rd
        >>> documents = rd.Dataset.from_source(rd.InMemorySource([[1, 2, 3], [4], [5, 6]]), name="toy").repeat()
        >>> why = documents.pack(4, eod_id=9).batch(2).explain(1)
        >>> print(why)
        step 1: 2 rows of 4 tokens, 3 spans, 75.00 % filled
        row  column  component  epoch  record  tokens  of
          0       0  toy            1       0     0:3   3
          0       3  toy            1       1     0:1   1
          1       0  toy            1       2     0:2   2
        >>> why.rows[1][0].record
        2
        """
        return explain(self.node, step, state, allow, progress)

    def when(
        self,
        component: str,
        record: int,
        *,
        until: int | None = None,
        state: SavedState | None = None,
        allow: Collection[str] = (),
        progress: bool = True,
    ) -> tuple[Appearance, ...]:
        """Finds the steps and rows of global batches in which a record appears, by planning as ``explain`` does.

        Args:
            component: The path of the component: the names of the mixes around it, then its own name.
            record: The index in the component's source, from 0.
            until: The search covers the steps before this one. None searches for the next step that has the record,
                and gives up after ten million documents.
            state: A state of the run. The search begins at its step; without a state it begins at step 0.
            allow: As in ``explain``.
            progress: As in ``explain``.

        Returns:
            Pairs of step and row. The tuple is empty if the data ends without the record.

        Raises:
            PipelineError: There is no such component or record, or the search gives up.
            StateError: The state is damaged.
            PipelineMismatchError: It belongs to another pipeline or to other data.

        >>> import resumable_data as rd
        >>> documents = rd.Dataset.from_source(rd.InMemorySource([[1, 2, 3], [4], [5, 6]]), name="toy").repeat()
        >>> data = documents.pack(4, eod_id=9).batch(2)
        >>> data.when("toy", 2)
        (Appearance(step=0, row=1),)
        >>> [(step, row) for step, row in data.when("toy", 2, until=3)]
        [(0, 1), (1, 1), (2, 1)]
        """
        return when(self.node, component, record, until, state, allow, progress)

    def simulate(
        self,
        steps: int | None = None,
        *,
        state: SavedState | None = None,
        allow: Collection[str] = (),
        progress: bool = True,
    ) -> Simulation:
        """Plans a run before it begins: epochs, mix, padding, ramp, process counts that work, sizes.

        It plans all batches, at about a microsecond a document. It reads documents only if their lengths are not
        known. ``print`` shows the result as tables; ``save_html`` writes a page with pictures.

        Args:
            steps: The number of steps. None plans to the end of the data. Data that ends earlier is planned to its
                end.
            state: A state to begin at. The pipeline may be an edited one, see ``allow``. None begins at step 0.
            allow: As in ``explain``.
            progress: As in ``explain``.

        Raises:
            PipelineError: ``steps`` is below 1, or it is None and the data is endless.
            StateError: The state is damaged.
            PipelineMismatchError: It belongs to another pipeline or to other data.

        >>> import resumable_data as rd
        >>> documents = rd.Dataset.from_source(rd.SyntheticSource(50, [3, 5]), name="toy").shuffle(1).repeat()
        >>> print(documents.pack(8, eod_id=0).batch(rd.BatchSchedule(8, factors={0: 0.5, 6: 1})).simulate(20))
        20 steps from step 0 on: 136 rows, 1,066 tokens
        <BLANKLINE>
        component  records  epochs  documents  tokens  documents %  tokens %  weight %
        toy             50   5.440        272   1,066       100.00    100.00    100.00
        <BLANKLINE>
        padding: 2.022 % of the cells
        documents a row: least 2, median 2, 99 % 2, most 2; 0.00 % of the documents stand in several rows
        batch: 4 rows from step 0, 8 rows from step 6
        processes: 1, 2, 4 work, and data axes of a mesh of as many devices; no others, none over 4
        state: 556 B in a checkpoint
        lengths: 400 B at most, in memory or mapped
        """
        return simulate(self.node, steps, state, allow, progress)

    def verify(
        self,
        state: SavedState,
        *,
        since: SavedState | None = None,
        allow: Collection[str] = (),
        content: bool = False,
        progress: bool = True,
    ) -> Verified:
        """Plans a run again and checks it against its state: the same batches, and each record once an epoch.

        It plans every batch before the state, at about a microsecond a document, and delivers nothing. The digest of
        these batches must be the digest in the state. In every epoch that has ended, each record of a component must
        appear exactly once and in full.

        Args:
            state: A state of the run.
            since: An earlier state of the run, to begin at. This is quicker, and needed if the run was edited before
                it. Then it does not check whether each record comes once.
            allow: What may differ between the saved pipeline and this one, as in ``set_state``.
            content: Whether to also read every batch again, for a digest of its cells. If two machines or two
                releases give the same digest, they deliver the same bytes.
            progress: As in ``explain``.

        Raises:
            PipelineMismatchError: Other batches were delivered, a record came twice or not in full, or the state
                belongs to another pipeline or to other data.
            PipelineError: The run was changed between the start and the state.
            StateError: A state is damaged.

        >>> import resumable_data as rd
        >>> documents = rd.Dataset.from_source(rd.SyntheticSource(5, [3]), name="toy").repeat()
        >>> data = documents.pack(4, eod_id=9).batch(2)
        >>> batches = iter(data)
        >>> _ = [next(batches) for _ in range(5)]
        >>> print(data.verify(batches.get_state()))
        steps 0 to 4: 10 rows, 30 tokens, as the state says
        toy: 2 whole epochs, each record once and in full
        """
        return verify(self.node, state, since, allow, content, progress)
