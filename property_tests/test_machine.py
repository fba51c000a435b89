"""Save, restore, change the number of processes, prefetch, look, fail and close, in any order."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import islice
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

import resumable_data as rd
from property_tests.testing.running import FIELDS, FaultySource, raw, take
from property_tests.testing.strategies import LIMIT, SOURCES, Pipeline, pipelines

FOREVER = 10**9
# If lengths are not known, faults occur while other batches are planned, so no fault of one batch can be expected.
KNOWN_LENGTHS = tuple(source for source in SOURCES if source != "unmeasured")
prefetch_depths = st.none() | st.integers(1, 3)


@dataclass
class Process:
    """One process of a run: its iterator, the rows it owns of every batch, and the batches it got."""

    iterator: rd.DataIterator[Any]
    rows: slice
    step: int


class InterruptedRun(RuleBasedStateMachine):
    """Compares a run with many events with a run without any."""

    @initialize(pipeline=pipelines(sources=KNOWN_LENGTHS, dropping=False), data=st.data(), prefetch=prefetch_depths)
    def begin(self, pipeline: Pipeline, data: st.DataObject, prefetch: int | None) -> None:
        self.pipeline = pipeline
        iterator = iter(pipeline.dataset())
        self.batches: list[rd.LLMBatch] = []
        self.states = [json.dumps(iterator.get_state())]
        for batch in islice(iterator, LIMIT):
            self.batches.append(batch)
            self.states.append(json.dumps(iterator.get_state()))
        self.ends = len(self.batches) < LIMIT
        self.records = [
            [{span.document.record for span in row.spans} for row in rows]
            for rows in islice(pipeline.oracle().batched_rows(), LIMIT)
        ]
        self.source = FaultySource(pipeline.source())
        self.saved = [self.states[0]]
        self.processes: list[Process] = []
        self.may_fail: set[int] = set()
        self.must_fail: set[int] = set()
        self.counts = [count for count in range(1, 9) if pipeline.batch_size % count == 0]
        self.start(0, data.draw(st.sampled_from(self.counts)), prefetch)

    def start(self, step: int, count: int, prefetch: int | None) -> None:
        """Replaces all processes by new ones at a step."""
        self.stop()
        share = self.pipeline.batch_size // count
        for index in range(count):
            dataset = self.pipeline.with_prefetch(prefetch).dataset(self.source, process=(index, count))
            iterator = iter(dataset)
            iterator.set_state(json.loads(self.states[step]))
            self.processes.append(Process(iterator, slice(index * share, (index + 1) * share), step))

    def stop(self) -> None:
        for process in self.processes:
            process.iterator.close()
        self.processes = []

    @rule(count=st.integers(1, 5))
    def take(self, count: int) -> None:
        for process in self.processes:
            for _ in range(count):
                self.take_one(process)

    def take_one(self, process: Process) -> None:
        if process.step == len(self.batches):
            if self.ends:
                with pytest.raises(StopIteration):
                    next(process.iterator)
            return
        here = set.union(*self.records[process.step][process.rows])
        delivered, failed_on = self.next_of(process)
        if failed_on is None:
            assert not here & self.must_fail
            assert delivered == self.expected(process)
            process.step += 1
        else:
            assert failed_on in here & self.may_fail

    def next_of(self, process: Process) -> tuple[Any, int | None]:
        """Returns the next batch, or the bad record."""
        try:
            return raw(next(process.iterator)), None
        except rd.RecordError as error:
            return None, int(str(error).split()[-1])

    def expected(self, process: Process) -> Any:
        batch = self.batches[process.step]
        return raw(rd.LLMBatch(**{name: getattr(batch, name)[process.rows] for name in FIELDS}))

    @precondition(lambda self: not self.may_fail)
    @rule()
    def look(self) -> None:
        for process in self.processes:
            if process.step < len(self.batches):
                assert raw(process.iterator.peek()) == self.expected(process)

    @rule()
    def save(self) -> None:
        # Which process met a passing fault depends on threads, and so may the step of each. Saving one always keeps
        # the sizes of later draws the same in every run.
        # Its position is that of the whole run, as the invariant checks.
        self.saved.append(self.states[self.processes[0].step])

    @rule(data=st.data(), prefetch=prefetch_depths)
    def restore_into_new_processes(self, data: st.DataObject, prefetch: int | None) -> None:
        step = json.loads(data.draw(st.sampled_from(self.saved)))["step"]
        self.start(step, data.draw(st.sampled_from(self.counts)), prefetch)
        self.faults_are_met_anew()

    @rule(data=st.data())
    def restore_into_the_same_iterators(self, data: st.DataObject) -> None:
        state = json.loads(data.draw(st.sampled_from(self.saved)))
        for process in self.processes:
            process.iterator.set_state(state)
            process.step = state["step"]
        self.faults_are_met_anew()

    @rule(data=st.data())
    def refuse(self, data: st.DataObject) -> None:
        state = json.loads(data.draw(st.sampled_from(self.saved)))
        state["step"] += 1
        for process in self.processes:
            with pytest.raises(rd.StateError):
                process.iterator.set_state(state)

    @rule(prefetch=prefetch_depths)
    def close_and_go_on(self, prefetch: int | None) -> None:
        if len({process.step for process in self.processes}) == 1:
            for process in self.processes:
                process.iterator.close()
            state = self.processes[0].iterator.get_state()
            self.start(state["step"], len(self.processes), prefetch)
            self.faults_are_met_anew()

    @rule(data=st.data(), times=st.sampled_from([1, 2, FOREVER]))
    def fail(self, data: st.DataObject, times: int) -> None:
        record = data.draw(st.integers(0, len(self.pipeline.lengths) - 1))
        self.source.failures[record] = times
        self.may_fail.add(record)
        for process in self.processes:  # new iterators, so that nothing read before is kept
            process.iterator.set_state(process.iterator.get_state())
        self.faults_are_met_anew()

    @precondition(lambda self: self.may_fail)
    @rule()
    def repair(self) -> None:
        self.source.failures.clear()
        self.must_fail = set()  # data read before the repair may still fail

    def faults_are_met_anew(self) -> None:
        self.must_fail = {record for record, times in self.source.failures.items() if times > FOREVER // 2}

    @invariant()
    def every_process_is_where_it_should_be(self) -> None:
        for process in self.processes:
            assert process.iterator.step == process.step
            assert json.dumps(process.iterator.get_state()) == self.states[process.step]

    def teardown(self) -> None:
        if hasattr(self, "processes"):
            self.repair_and_finish()
            self.stop()

    def repair_and_finish(self) -> None:
        """Checks that without faults every process delivers the whole rest."""
        self.source.failures.clear()
        for process in self.processes:
            process.iterator.set_state(process.iterator.get_state())
            rest = take(process.iterator, len(self.batches) - process.step)
            rows = process.rows
            assert rest == [
                raw(rd.LLMBatch(**{name: getattr(batch, name)[rows] for name in FIELDS}))
                for batch in self.batches[process.step :]
            ]


TestInterruptedRun = InterruptedRun.TestCase
