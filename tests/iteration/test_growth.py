"""Data that got new records at its end while a run went on."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from array_record.python.array_record_module import ArrayRecordWriter  # pyright: ignore

import resumable_data as rd
from property_tests.testing.running import through_json
from resumable_data.answers import verify as verify_module

EOD = 9


def documents_of(count: int) -> list[list[int]]:
    """Returns documents of 1 to 3 tokens; each has a token of its own."""
    return [[100 + record] * (record % 3 + 1) for record in range(count)]


def in_memory(count: int) -> Any:
    return rd.InMemorySource(documents_of(count))


def data(source: Any, epochs: int | None = None, *, read: bool = False, batch: int = 2) -> Any:
    documents = rd.Dataset.from_source(source, name="web")
    documents = documents.map(list, name="list") if read else documents
    return documents.shuffle(seed=1).repeat(epochs).pack(4, eod_id=EOD, window=4).batch(batch, shards=2)


def records_by_epoch(run: Any, state: Any, steps: int, component: str = "web") -> list[Counter[int]]:
    """Counts the records of a component that begin in each epoch of a run, from its first step on."""
    found: dict[int, Counter[int]] = {}
    for step in range(steps):
        for row in run.explain(step, state=state).rows:
            for span in row:
                if span.start == 0 and span.epoch is not None and span.component == component:
                    found.setdefault(span.epoch, Counter())[span.record] += 1
    return [found[epoch] for epoch in sorted(found)]


@pytest.mark.parametrize("read", [False, True])
def test_the_new_records_come_with_the_next_epoch(read: bool) -> None:
    old = iter(data(in_memory(10), read=read))
    before = [next(old).targets.tolist() for _ in range(3)]
    new = iter(data(in_memory(14), read=read))
    new.set_state(through_json(old.get_state()), allow={"data"})

    (edit,) = new.edits
    assert str(edit) == "web: source.records was 10, is 14"
    first = edit.epoch
    assert first is not None
    assert edit.step == 3
    epochs = records_by_epoch(data(in_memory(14), read=read), new.get_state(), 24)
    assert epochs[: first + 3] == [Counter(range(10))] * first + [Counter(range(14))] * 3
    # What was delivered before can still be planned, as the run had it.
    explained = data(in_memory(14), read=read).explain(0, state=new.get_state())
    assert [[span.record for span in row] for row in explained.rows] == [
        [token - 100 for token in dict.fromkeys(row) if token >= 100] for row in before[0]
    ]


def test_the_epoch_in_progress_goes_on_as_it_was() -> None:
    old, new = iter(data(in_memory(40), batch=1)), iter(data(in_memory(50), batch=1))
    next(old)
    new.set_state(old.get_state(), allow={"data"})
    while old.epoch == 0:
        assert next(new).targets.tobytes() == next(old).targets.tobytes()


def test_a_run_that_has_not_begun_has_the_new_records_at_once() -> None:
    new = iter(data(in_memory(14)))
    new.set_state(iter(data(in_memory(10))).get_state(), allow="data")

    assert new.edits[0].epoch == 0
    fresh = iter(data(in_memory(14)))
    assert [next(new).targets.tolist() for _ in range(6)] == [next(fresh).targets.tolist() for _ in range(6)]


def test_growth_that_is_recorded_needs_no_permission() -> None:
    new, again, old = iter(data(in_memory(14))), iter(data(in_memory(14))), iter(data(in_memory(10)))
    next(old)
    new.set_state(old.get_state(), allow={"data"})
    again.set_state(through_json(new.get_state()))

    assert [next(again).targets.tolist() for _ in range(20)] == [next(new).targets.tolist() for _ in range(20)]
    assert again.get_state() == new.get_state()
    assert again.progress().components["web"] == new.progress().components["web"]


def test_a_reset_forgets_how_the_data_grew() -> None:
    new, old = iter(data(in_memory(14))), iter(data(in_memory(10)))
    next(old)
    new.set_state(old.get_state(), allow={"data"})
    next(new)
    new.reset()

    assert next(new).targets.tolist() == next(iter(data(in_memory(14)))).targets.tolist()
    assert new.edits == ()


def test_epochs_are_counted_by_their_own_sizes() -> None:
    old = iter(data(in_memory(10), 3, batch=1))
    while old.epoch == 0:
        next(old)
    new = iter(data(in_memory(20), 3, batch=1))
    new.set_state(old.get_state(), allow={"data"})
    for _ in new:
        pass

    counts = new.progress().components["web"]
    assert (counts.documents, counts.epochs) == (10 + 20 + 20, 3.0)


def test_without_a_further_epoch_the_new_records_would_never_come() -> None:
    old, new = iter(data(in_memory(10), 1, batch=1)), iter(data(in_memory(14), 1, batch=1))
    next(old)
    before = new.get_state()
    with pytest.raises(rd.PipelineMismatchError, match=r"no further epoch.*allow=\{'data', 'epochs'\}"):
        new.set_state(old.get_state(), allow={"data"})
    assert new.get_state() == before

    more = iter(data(in_memory(14), 2, batch=1))
    more.set_state(old.get_state(), allow={"data", "epochs"})
    for _ in more:
        pass
    assert more.progress().documents == 10 + 14


@pytest.mark.parametrize(
    ("count", "advice"),
    [
        (9, "'web' lacks records that the run knows"),
        (10, "'web' holds other records under the same numbers"),
        (14, "If 'web' only got more data, its first 10 records are not the old ones any more"),
    ],
)
def test_other_records_are_never_growth(count: int, advice: str) -> None:
    old = iter(data(in_memory(10)))
    changed = rd.InMemorySource([[1], *documents_of(count)[1:]])
    with pytest.raises(rd.PipelineMismatchError, match=rf"source\.content was .*\n(.*\n)?{advice}"):
        iter(data(changed)).set_state(old.get_state(), allow={"data"})


class Foreign:
    """A source of a user, which cannot tell whether another is its beginning."""

    def __init__(self, count: int) -> None:
        self._records = documents_of(count)

    def __len__(self) -> int:
        return len(self._records)

    def read(self, indices: Any) -> list[list[int]]:
        return [self._records[index] for index in indices.tolist()]

    def fingerprint(self) -> str:
        return f"{len(self)} documents"


class Silent(Foreign):
    """A source of a user that was made without what it needs to tell."""

    def fingerprint_of_first(self, records: int) -> str | None:
        return None


@pytest.mark.parametrize(
    ("kind", "reason"),
    [(Foreign, "has no fingerprint_of_first"), (Silent, r"fingerprint_of_first\(10\) of its source is None")],
)
def test_a_source_that_cannot_tell_is_not_said_to_have_other_records(kind: type[Foreign], reason: str) -> None:
    with pytest.raises(rd.PipelineMismatchError, match=reason) as caught:
        iter(data(kind(14))).set_state(iter(data(kind(10))).get_state(), allow={"data"})
    assert "not the old ones" not in str(caught.value)


class Failing(Foreign):
    """A source of a user whose program has a mistake."""

    def fingerprint_of_first(self, records: int) -> str | None:
        raise KeyError("count")


def test_a_source_that_fails_to_tell_is_named_and_nothing_moves() -> None:
    iterator = iter(data(Failing(14)))
    before = iterator.get_state()

    with pytest.raises(
        rd.SourceError, match=r"component 'web': fingerprint_of_first\(10\) .* raises KeyError: 'count'"
    ):
        iterator.set_state(iter(data(Failing(10))).get_state(), allow={"data"})
    assert iterator.get_state() == before


def test_a_slice_from_the_end_does_not_grow() -> None:
    def part(count: int) -> rd.Dataset[Any]:
        documents = rd.Dataset.from_source(in_memory(count), name="web")[:-3]
        return documents.repeat().pack(4, eod_id=EOD).batch(2)

    with pytest.raises(rd.PipelineMismatchError, match="a slice counts from its end"):
        iter(part(14)).set_state(iter(part(10)).get_state(), allow={"data"})


def test_a_part_of_a_split_grows_with_its_source() -> None:
    def part(count: int, name: str) -> rd.Dataset[Any]:
        documents = rd.Dataset.from_source(in_memory(count), name="web").split({"train": 3, "eval": 1}, seed=0)[name]
        return documents.repeat().pack(4, eod_id=EOD).batch(1)

    seen: dict[str, set[int]] = {}
    for name in ("train", "eval"):
        old, new = iter(part(40, name)), iter(part(60, name))
        next(old)
        new.set_state(old.get_state(), allow={"data"})
        seen[name] = {token for _ in range(150) for token in next(new).targets.ravel().tolist()} - {0, EOD}

    assert seen["train"] | seen["eval"] == {100 + record for record in range(60)}
    assert not seen["train"] & seen["eval"]


@pytest.mark.parametrize("of_rows", [True, False])
def test_one_component_of_a_mix_grows(of_rows: bool) -> None:
    def mixed(count: int) -> rd.Dataset[Any]:
        parts = {
            name: rd.Dataset.from_source(rd.InMemorySource([[base + record] for record in range(size)])).shuffle(2)
            for name, base, size in (("web", 100, count), ("code", 500, 7))
        }
        if of_rows:
            return rd.mix({name: part.repeat().pack(4, eod_id=EOD) for name, part in parts.items()}).batch(2)
        return rd.mix({name: part.repeat() for name, part in parts.items()}).pack(4, eod_id=EOD, window=6).batch(2)

    old, new = iter(mixed(10)), iter(mixed(13))
    for _ in range(4):
        next(old)
    new.set_state(through_json(old.get_state()), allow={"data"})
    first = new.edits[0].epoch
    assert first is not None
    assert first > 0

    of_web = records_by_epoch(mixed(13), new.get_state(), 40)
    assert of_web[: first + 2] == [Counter(range(10))] * first + [Counter(range(13))] * 2
    assert records_by_epoch(mixed(13), new.get_state(), 40, "code")[:4] == [Counter(range(7))] * 4


def test_new_array_record_files_after_the_old_ones(tmp_path: Path) -> None:
    def write(name: str, records: Sequence[Sequence[int]]) -> None:
        writer = ArrayRecordWriter(str(tmp_path / name), "group_size:1")
        for tokens in records:
            writer.write(np.array(tokens, "<i4").tobytes())
        writer.close()

    def corpus() -> Any:
        return rd.ArrayRecordSource(tmp_path / "*.arecord", parse=rd.parse_int32_tokens, progress=False)

    write("a_10.arecord", documents_of(6))
    write("a_11.arecord", documents_of(4))
    old = iter(data(corpus()))
    next(old)
    state = through_json(old.get_state())
    write("a_12.arecord", documents_of(5))
    new = iter(data(corpus()))
    new.set_state(state, allow={"data"})
    assert str(new.edits[0]) == "web: source.records was 10, is 15"

    write("a_5.arecord", documents_of(2))  # comes before the others, so that every index moves
    with pytest.raises(rd.PipelineMismatchError, match="put the new ones after them"):
        iter(data(corpus())).set_state(state, allow={"data"})


def test_growth_and_another_batch_at_the_same_time() -> None:
    old, new = iter(data(in_memory(10))), iter(data(in_memory(14), batch=3))
    next(old)
    new.set_state(old.get_state(), allow={"data", "batch"})

    assert {edit.stage for edit in new.edits} == {"source", "batch"}


def test_documents_and_rows_alone_grow_too() -> None:
    def documents(count: int) -> Any:
        return rd.Dataset.from_source(in_memory(count), name="web").repeat()

    for of in (documents, lambda count: documents(count).pack(4, eod_id=EOD)):
        old, new = iter(of(10)), iter(of(14))
        next(old)
        new.set_state(through_json(old.get_state()), allow={"data"})
        for _ in range(40):
            next(new)
        assert new.progress().components["web"].epochs > 2
        assert new.edits[0].epoch == 1


def test_verify_counts_each_epoch_by_its_own_records() -> None:
    old, new = iter(data(in_memory(10))), iter(data(in_memory(14)))
    while old.epoch == 0:
        next(old)
    next(old)
    new.set_state(old.get_state(), allow={"data"})
    assert new.edits[0].epoch == 2
    while new.epoch in (1, 2):
        next(new)
    assert new.epoch == 3

    assert data(in_memory(14)).verify(new.get_state()).complete == {"web": 3}


def test_growth_does_not_hide_a_lost_record(monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = iter(data(in_memory(10))), iter(data(in_memory(14)))
    next(old)
    new.set_state(old.get_state(), allow={"data"})
    for _ in range(20):
        next(new)

    add = verify_module._Once.add  # pyright: ignore[reportPrivateUsage]

    def add_less(self: Any, plan: Any) -> None:
        """Loses a token of every batch."""
        plan.length[0] -= plan.length[0] > 1
        add(self, plan)

    monkeypatch.setattr(verify_module._Once, "add", add_less)  # pyright: ignore[reportPrivateUsage]
    with pytest.raises(rd.PipelineMismatchError, match="has only"):
        data(in_memory(14)).verify(new.get_state())


def test_diff_finds_no_difference_before_the_new_records() -> None:
    old, new = iter(data(in_memory(40))), iter(data(in_memory(50)))
    next(old)
    new.set_state(old.get_state(), allow={"data"})
    found = rd.diff(old, new)

    assert found.settings == ("source.records was 40, is 50",)
    assert found.first_step is not None
    first = old.explain(found.first_step), new.explain(found.first_step)
    assert {span.epoch for explanation in first for row in explanation.rows for span in row} >= {1}
    swapped = rd.diff(new, old)
    assert swapped.first_step == found.first_step
