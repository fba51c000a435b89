"""The questions that a pipeline of batches answers."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from resumable_data.answers.explain import explain
from resumable_data.answers.simulate import simulate
from resumable_data.answers.simulation import Simulation
from resumable_data.answers.verify import Verified, verify
from resumable_data.answers.when import Appearance, when
from resumable_data.explanation import Explanation
from resumable_data.stages.batch import Batch


class Asked:
    """What can be asked about a run of a pipeline of batches, from its plans. Each method is a question.

    Attributes:
        node: The stage that makes the batches.
    """

    node: Batch

    def explain(
        self,
        step: int,
        *,
        state: Mapping[str, Any] | None = None,
        allow: Collection[str] = (),
        progress: bool = True,
    ) -> Explanation:
        """Which documents the global batch of a step consists of: component, record, epoch, tokens, place, file.

        The plans of the run are made again, at about a microsecond a document, and nothing is delivered. Documents
        are read only where their lengths are not known, as ``skip`` reads them. It is the whole batch, whichever rows
        ``shard`` or ``place`` gives this process.

        Args:
            step: The step, as ``iterator.step`` is before its batch is delivered.
            state: A state of the run, best of a step shortly before: planning begins there. A step before it is
                planned from the start, with what was skipped. Without it, the run is one that was never changed.
            allow: What may differ between the saved pipeline and this one, as ``set_state`` takes it.
            progress: Whether to show a progress bar where it takes more than a second.

        Raises:
            PipelineError: There is no such step, or it is before the state and the run was changed meanwhile.
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
        state: Mapping[str, Any] | None = None,
        allow: Collection[str] = (),
        progress: bool = True,
    ) -> tuple[Appearance, ...]:
        """The steps and rows of global batches in which a record appears, found as ``explain`` does.

        Args:
            component: The path of the component: its name, after those of the mixes that it is in.
            record: The index in the component's source, from 0.
            until: Look up to this step, which is not looked at itself. Without it the result is that of the next step
                that has the record; it gives up after ten million documents.
            state: A state of the run, from whose step on to look; without it, from the first.
            allow: As in ``explain``.
            progress: As in ``explain``.

        Returns:
            Pairs of step and row; none where the data ends without the record.

        Raises:
            PipelineError: There is no such component or record, or it gives up.
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
        state: Mapping[str, Any] | None = None,
        allow: Collection[str] = (),
        progress: bool = True,
    ) -> Simulation:
        """What a run would be like, before it is begun: epochs, mix, padding, ramp, processes that work, sizes.

        All its batches are planned, at about a microsecond a document. Documents are read only where their lengths
        are not known. ``print`` shows it as tables; ``save_html`` writes a page with pictures.

        Args:
            steps: How many steps; None for all, where the data ends. Data that ends earlier is planned to its end.
            state: A state to begin at, also after an edit; without it, the run begins.
            allow: As in ``explain``.
            progress: Whether to show a progress bar where it takes more than a second.

        Raises:
            PipelineError: The data is endless and no steps are given, or they are below 1.
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
        state: 545 B in a checkpoint
        lengths: 400 B at most, in memory or mapped
        """
        return simulate(self.node, steps, state, allow, progress)

    def verify(
        self,
        state: Mapping[str, Any],
        *,
        since: Mapping[str, Any] | None = None,
        allow: Collection[str] = (),
        content: bool = False,
        progress: bool = True,
    ) -> Verified:
        """Plans a run again and checks it against its state: the same batches, and each record once an epoch.

        Every batch before the state is planned, at about a microsecond a document, and nothing is delivered. The
        digest of all of them has to be that of the state, and in every epoch that has ended each record of a
        component has to stand exactly once and in full.

        Args:
            state: A state of the run.
            since: An earlier state of it, to begin at: quicker, and needed where the run was edited before. Whether
                records come once is then not checked.
            allow: What may differ between the saved pipeline and this one, as ``set_state`` takes it.
            content: Whether to read every batch again too, for a digest of its cells: two machines, or two releases,
                that give the same deliver the same bytes.
            progress: Whether to show a progress bar where it takes more than a second.

        Raises:
            PipelineMismatchError: Other batches were delivered, a record came twice or not in full, or the state
                belongs to another pipeline or to other data.
            PipelineError: The run was changed in between.
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
