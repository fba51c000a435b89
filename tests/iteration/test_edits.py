from itertools import islice
from typing import Any

import pytest

import resumable_data as rd
from property_tests.testing.running import through_json
from resumable_data.delivered import Delivered
from resumable_data.run_history import history_of


def component(first: int, epochs: int | None = None, *, pack: bool = True, count: int = 20) -> rd.Dataset[Any]:
    documents = rd.Dataset.from_source(rd.InMemorySource([[first + n] * 2 for n in range(count)])).repeat(epochs)
    return documents.pack(4, eod_id=0, window=6) if pack else documents


def of_rows(names: str, batch: Any = 2, epochs: int | None = None, **weights: float) -> rd.Dataset[Any]:
    components = {name: component(100 * (ord(name) - 96), epochs) for name in names}
    return rd.mix(components, weights or None).batch(batch)


def of_documents(names: str, **weights: float) -> rd.Dataset[Any]:
    components = {name: component(100 * (ord(name) - 96), pack=False) for name in names}
    return rd.mix(components, weights or None).pack(4, eod_id=0, window=6).batch(1)


def tokens(iterator: Any, count: int) -> list[Any]:
    return [batch.targets.tolist() for batch in islice(iterator, count)]


def after(dataset: rd.Dataset[Any], count: int) -> rd.DataIterator[Any]:
    iterator = iter(dataset)
    tokens(iterator, count)
    return iterator


@pytest.mark.parametrize(
    ("before", "now", "allow", "line"),
    [
        (of_rows("ab"), of_rows("ab", a=3, b=1), "weights", r"mix\.weights was a=1 b=1, is a=3 b=1"),
        (of_rows("ab"), of_rows("ab", 4), "batch", r"batch\.size was 2, is 4"),
        (of_rows("ab", epochs=1), of_rows("ab", epochs=2), "epochs", r"a: repeat\.epochs was 1, is 2"),
        (of_rows("ab"), of_rows("abc"), "sources", "component 'c' is new"),
        (of_rows("abc"), of_rows("ab"), "sources", "component 'c' was removed"),
        (of_documents("ab"), of_documents("ab", a=3, b=1), "weights", r"mix\.weights was a=1 b=1"),
        (of_documents("ab"), of_documents("abc"), "sources", "component 'c' is new"),
    ],
)
def test_an_edit_has_to_be_said(before: Any, now: Any, allow: str, line: str) -> None:
    old, new = after(before, 3), after(now, 1)
    position = new.get_state()
    others = {"weights", "batch", "epochs", "sources"} - {allow}

    for wrong in ((), others):
        with pytest.raises(rd.PipelineMismatchError, match=f"(?s){line}.*{allow}"):
            new.set_state(old.get_state(), allow=wrong)
        assert new.get_state() == position
    new.set_state(old.get_state(), allow={allow})
    assert new.step == 3
    assert new.edits


def test_edits_are_recorded_in_order_with_the_counts() -> None:
    first = after(of_rows("ab"), 3)
    second = iter(of_rows("ab", 4))
    second.set_state(first.get_state(), allow={"batch"})
    tokens(second, 2)
    third = iter(of_rows("ab", 4, a=3, b=1))
    third.set_state(through_json(second.get_state()), allow={"weights"})

    batch, weights = third.get_state()["edits"]
    assert batch == {
        "step": 3,
        "rows": 6,
        "kind": "setting",
        "component": None,
        "stage": "batch",
        "setting": "size",
        "before": 2,
        "after": 4,
        "epoch": None,
        "counts": {"a": [3, 5, 10], "b": [3, 5, 10]},  # rows, documents and tokens
    }
    assert (weights["step"], weights["rows"], weights["stage"], weights["setting"]) == (5, 14, "mix", "weights")
    assert weights["before"]["points"] == [[0, {"a": 1, "b": 1}]]
    assert weights["after"]["points"] == [[0, {"a": 3, "b": 1}]]
    assert weights["counts"] == {"a": [7, 12, 24], "b": [7, 12, 24]}
    tokens(third, 2)
    assert third.get_state()["edits"] == [batch, weights]


def test_weights_keep_to_their_steps_when_the_batch_changes() -> None:
    weights = rd.WeightSchedule({0: {"a": 1, "b": 0}, 6: {"a": 0, "b": 1}})
    rows = rd.mix({"a": component(100), "b": component(500)}, weights)
    old, new = after(rows.batch(2), 3), iter(rows.batch(4))
    new.set_state(old.get_state(), allow={"batch"})
    again = iter(rows.batch(4))

    firsts = [[row[0] // 100 for row in batch] for batch in tokens(new, 5)]
    assert firsts == [[1] * 4] * 3 + [[5] * 4] * 2
    new.set_state(old.get_state(), allow={"batch"})
    again.set_state(new.get_state())
    assert [[row[0] // 100 for row in batch] for batch in tokens(again, 5)] == firsts


def test_what_is_no_edit_is_never_allowed() -> None:
    old, new = after(of_rows("ab"), 1), iter(of_rows("ab"))
    with pytest.raises(rd.PipelineError, match=r"allow=\['seed'\]: there are batch, data, epochs, length"):
        new.set_state(old.get_state(), allow={"seed"})


@pytest.mark.parametrize("level", [of_rows, of_documents])
def test_a_used_name_is_refused(level: Any) -> None:
    both = after(level("ab"), 3)
    alone = iter(level("a"))
    if level is of_documents:
        both = after(level("ab"), 6)  # before the window after the next
    alone.set_state(both.get_state(), allow={"sources"})
    again = iter(level("ab"))

    with pytest.raises(rd.PipelineMismatchError, match="component 'b' was part of this run before"):
        again.set_state(alone.get_state(), allow={"sources"})
    assert again.step == 0


def test_a_component_of_a_window_in_progress_cannot_be_removed() -> None:
    new = iter(of_documents("a"))
    with pytest.raises(rd.PipelineMismatchError, match=r"components \['b'\] cannot be removed here"):
        new.set_state(after(of_documents("ab"), 1).get_state(), allow={"sources"})
    assert new.step == 0


def test_a_component_without_weight_can_be_removed_from_a_window_in_progress() -> None:
    old, new = after(of_documents("ab", a=1, b=0), 1), iter(of_documents("a"))
    new.set_state(old.get_state(), allow={"sources"})

    assert tokens(new, 5) == tokens(old, 5)


def test_a_component_that_was_added_in_a_window_in_progress_can_be_removed_in_it_again() -> None:
    old, more, new = after(of_documents("ab"), 1), iter(of_documents("abc")), iter(of_documents("ab"))
    more.set_state(old.get_state(), allow={"sources"})
    new.set_state(through_json(more.get_state()), allow={"sources"})

    assert [edit.kind for edit in new.edits if edit.component == "c"] == ["component_added", "component_removed"]
    assert tokens(new, 20) == tokens(old, 20)


def test_fewer_epochs_than_were_consumed_are_refused() -> None:
    old, new = after(of_rows("a", epochs=3), 8), iter(of_rows("a", epochs=1))
    message = "component 'a' cannot have 1 epochs here: the run is in epoch 1, counted from 0. Give it at least 2"
    with pytest.raises(rd.PipelineMismatchError, match=message) as caught:
        new.set_state(old.get_state(), allow={"epochs"})
    assert caught.value.differences == ("a: repeat.epochs was 3, is 1",)
    assert new.step == 0


@pytest.mark.parametrize("changed", [{"pack": 8}, {"seed": 1}])
def test_other_settings_of_a_component_are_no_edit(changed: dict[str, int]) -> None:
    documents = rd.Dataset.from_source(rd.InMemorySource([[100 + n] * 2 for n in range(20)]))
    documents = (documents.shuffle(1) if "seed" in changed else documents).repeat()
    new = rd.mix({"a": documents.pack(changed.get("pack", 4), eod_id=0, window=6)}).batch(2)

    with pytest.raises(rd.PipelineMismatchError):
        iter(new).set_state(after(of_rows("a"), 1).get_state(), allow={"batch", "epochs", "sources", "weights"})


def nested(stop: str) -> rd.Dataset[Any]:
    inner = rd.mix({name: component(100) for name in "ab"}, stop=stop)
    return rd.mix({"x": inner, "y": component(300)}).batch(2)


def test_the_stop_policy_of_an_inner_mix_is_no_edit() -> None:
    state = after(nested("first_exhausted"), 1).get_state()
    with pytest.raises(rd.PipelineMismatchError):
        iter(nested("renormalize")).set_state(state, allow={"weights"})


TOTALS = ("rows", "documents", "tokens", "truncated", "scored", "dropped", "padding")


def delivered(counts: Any) -> Delivered:
    """What a state keeps of counts; nothing is counted as scored where all is."""
    kept = {name: getattr(counts, name) for name in Delivered._fields}
    return Delivered(**(kept | {"scored": 0}))


def totals(iterator: Any) -> list[float]:
    return [getattr(iterator.progress(), name) for name in TOTALS]


@pytest.mark.parametrize(("level", "steps"), [(of_rows, 3), (of_documents, 6)])
def test_what_a_removed_component_delivered_stays_in_the_totals(level: Any, steps: int) -> None:
    old, new, later = after(level("ab"), steps), iter(level("a")), iter(level("a"))
    new.set_state(through_json(old.get_state()), allow={"sources"})

    assert totals(new) == totals(old)
    assert new.progress().components.keys() == {"a"}
    removed = next(edit for edit in new.edits if edit.kind == "component_removed")
    of_mix = {"*": Delivered(rows=6)} if level is of_documents else {}
    of_components = {path: delivered(counts) for path, counts in old.progress().components.items()}
    assert removed.counts == of_components | of_mix
    tokens(new, 2)
    later.set_state(through_json(new.get_state()))
    assert totals(later) == totals(new)
    assert new.progress().documents > old.progress().documents


def cut_and_filtered(names: str) -> rd.Dataset[Any]:
    """Rows of 4; of six documents the second is cut off, the third left out."""
    documents = rd.InMemorySource([[1] * 2, [2] * 9, [3] * 3] * 20)
    kept = rd.Dataset.from_source(documents).filter(on_lengths=lambda lengths: lengths != 3, name="not_3").repeat()
    return rd.mix({name: kept.pack(4, eod_id=0, window=6, truncate=True) for name in names}).batch(2)


def test_what_was_cut_off_and_left_out_stays_in_the_totals() -> None:
    old, new = after(cut_and_filtered("ab"), 9), iter(cut_and_filtered("a"))
    new.set_state(through_json(old.get_state()), allow={"sources"})

    assert totals(new) == totals(old)
    assert min(old.progress().truncated, old.progress().dropped) > 0


def test_a_component_that_ran_alone_is_not_replaced() -> None:
    named = rd.Dataset.from_source(rd.InMemorySource([[1] * 4] * 9), name="z").pack(4, eod_id=0).batch(2)
    with pytest.raises(rd.PipelineMismatchError, match="component 'z' cannot be removed here: it ran alone"):
        iter(of_rows("ab")).set_state(after(named, 1).get_state(), allow={"sources"})


def test_a_component_that_ran_alone_is_joined() -> None:
    named = rd.Dataset.from_source(rd.InMemorySource([[100 + n] * 2 for n in range(20)]), name="a")
    alone = named.repeat().pack(4, eod_id=0, window=6).batch(2)
    old, new = after(alone, 2), iter(of_rows("ab"))
    new.set_state(old.get_state(), allow={"sources"})

    assert [rows[0] for rows in tokens(new, 2)] == [[107, 107, 108, 108], [109, 109, 0, 0]]


@pytest.mark.parametrize(("count", "at"), [(0, None), (-1, None), (1, 2)])
def test_impossible_skips_are_refused(count: int, at: int | None) -> None:
    iterator = after(of_rows("ab"), 3)
    with pytest.raises(rd.PipelineError, match="skip: "):
        iterator.skip(count, at)
    assert iterator.edits == ()


def test_only_batches_are_skipped() -> None:
    with pytest.raises(rd.PipelineError, match="skip works on batches"):
        iter(component(100)).skip(1)


def test_a_skip_is_recorded() -> None:
    iterator = after(of_rows("ab"), 3)
    iterator.skip(2)
    iterator.skip(1, at=7)

    assert iterator.edits == (
        rd.Edit(kind="skip", after=2, step=3, rows=6),
        rd.Edit(kind="skip", after=1, step=7, rows=6),
    )


@pytest.mark.parametrize("restart", [2, 4, 6])
def test_a_skip_that_is_said_at_every_start_skips_once(restart: int) -> None:
    whole = tokens(iter(of_rows("ab")), 12)
    iterator, again = iter(of_rows("ab")), iter(of_rows("ab"))
    iterator.skip(3, at=4)
    found = tokens(iterator, restart)
    again.set_state(through_json(iterator.get_state()))
    again.skip(3, at=4)

    assert found + tokens(again, 8 - restart) == whole[:4] + whole[7:11]
    assert len(again.edits) == 1


def test_another_skip_before_the_same_step_is_refused() -> None:
    iterator = iter(of_rows("ab"))
    iterator.skip(3, at=1)
    next(iterator), next(iterator)

    with pytest.raises(rd.PipelineError, match="2 batches before step 1, but a skip of 3 is recorded there"):
        iterator.skip(2, at=1)
    assert len(iterator.edits) == 1


def read_rows(size: Any, **settings: Any) -> rd.Dataset[Any]:
    """Batches of rows whose lengths show only when documents are read."""
    source = rd.InMemorySource([[number] * (number % 9 + 1) for number in range(1, 201)])
    documents = rd.Dataset.from_source(source).shuffle(1).repeat().map(list, name="as a list")
    return documents.pack(16, eod_id=0, window=8).batch(size, **settings)


@pytest.mark.parametrize("steps", [0, 1, 2, 7, 20])
@pytest.mark.parametrize("sizes", [(64, 32, 96), (12, 48, 7), (7, 1, 64)])
def test_the_batch_may_change_to_any_size_at_any_step_and_every_row_still_comes_once(
    sizes: tuple[int, int, int], steps: int
) -> None:
    before, size, last = sizes
    shards = history_of(iter(read_rows(before)).get_state()).shards
    # With one row a batch there are no slots, so that rows come in their order.
    rows = tokens(iter(read_rows(1, shards=shards)), steps * before + 2 * size + 2 * last)
    old, new, third = after(read_rows(before), steps), iter(read_rows(size)), iter(read_rows(last))
    new.set_state(through_json(old.get_state()), allow={"batch"})
    found = tokens(new, 2)
    third.set_state(through_json(new.get_state()), allow={"batch"})
    found += tokens(third, 2)

    first = steps * before
    for batch in found:
        assert sorted(batch) == sorted(row for (row,) in rows[first : first + len(batch)])
        first += len(batch)
    assert [len(batch) for batch in found] == [size, size, last, last]
    assert history_of(third.get_state()).shards == shards
    assert third.progress().rows == first


def test_a_run_keeps_its_shards_when_its_batch_changes_and_says_nothing_of_them() -> None:
    old, new = after(read_rows(64), 2), iter(read_rows(32))
    assert history_of(new.get_state()).shards == 32
    new.set_state(old.get_state(), allow={"batch"})

    assert history_of(new.get_state()).shards == 64
    assert list(map(str, new.edits)) == ["batch.size was 64, is 32"]


def test_a_run_gets_its_shards_with_the_first_component_that_is_measured() -> None:
    """Text that joins tokens is measured by all processes, as it would be in a run that begins with it."""

    def mixed(*names: str) -> rd.Dataset[Any]:
        both = {"tokens": component(100), "text": component(200)}
        text = rd.Dataset.from_source(rd.InMemorySource([[7] * (number % 9 + 1) for number in range(99)])).repeat()
        both["text"] = text.map(list, name="as a list").pack(4, eod_id=0, window=6)
        return rd.mix({name: both[name] for name in names}).batch(32)

    old, new, later = after(mixed("tokens"), 2), iter(mixed("tokens", "text")), iter(mixed("tokens"))
    assert history_of(old.get_state()).shards is None
    new.set_state(through_json(old.get_state()), allow={"sources"})
    assert history_of(new.get_state()).shards == history_of(iter(mixed("tokens", "text")).get_state()).shards == 32
    assert {edit.kind for edit in new.edits} == {"component_added", "setting"}
    assert all(edit.setting != "shards" for edit in new.edits)
    tokens(new, 3)
    later.set_state(through_json(new.get_state()), allow={"sources"})
    assert history_of(later.get_state()).shards == 32


def test_an_iterator_that_went_to_another_run_can_come_back() -> None:
    own, other = iter(read_rows(32)), after(read_rows(64), 2)
    begin, first = own.get_state(), tokens(own, 3)
    own.set_state(other.get_state(), allow={"batch"})
    next(own)
    own.set_state(begin)

    assert tokens(own, 3) == first


def test_other_shards_that_are_given_are_refused() -> None:
    old, new = after(read_rows(64, shards=8), 1), iter(read_rows(64, shards=16))
    with pytest.raises(rd.PipelineMismatchError) as caught:
        new.set_state(old.get_state(), allow={"batch", "epochs", "sources", "weights"})

    assert caught.value.differences == ("batch.shards was 8, is 16",)
    assert new.step == 0


def few_documents(epochs: int | None, size: int = 4) -> rd.Dataset[Any]:
    """53 documents whose lengths show only when they are read; the last batch is filled up."""
    source = rd.InMemorySource([[number] * (number % 5 + 1) for number in range(1, 54)])
    documents = rd.Dataset.from_source(source).shuffle(1).repeat(epochs).map(list, name="as a list")
    return documents.pack(8, eod_id=0, window=16).batch(size, drop_remainder=False, shards=4)


def whole_rows(batches: list[Any]) -> list[Any]:
    """The rows of batches, those that fill up left out."""
    return [row for batch in batches for row in batch if any(row)]


@pytest.mark.parametrize("epochs", [3, None])
def test_more_epochs_go_on_from_any_step_up_to_the_end(epochs: int | None) -> None:
    old, states = iter(few_documents(2)), list[Any]()
    for _ in old:
        states.append(through_json(old.get_state()))
    whole = whole_rows(tokens(iter(few_documents(3, size=1)), 100))
    delivered = 0
    for step, state in enumerate(states, start=1):
        new = iter(few_documents(epochs))
        new.set_state(state, allow={"epochs"})
        delivered = new.progress().rows
        full = (len(whole) - delivered) // 4
        found, last = whole_rows(tokens(new, full)), delivered + 4 * full
        assert (step, sorted(found)) == (step, sorted(whole[delivered:last]))
        if epochs is not None:
            assert sorted(whole_rows(tokens(new, 100))) == sorted(whole[last:])
    assert delivered == len(whole_rows(tokens(iter(few_documents(2)), 100)))
    assert delivered % 4


@pytest.mark.parametrize(("steps", "left"), [(7, 3), (10, 0)])
@pytest.mark.parametrize("known", [True, False])
def test_fewer_epochs_end_the_run_where_its_epoch_ends(known: bool, steps: int, left: int) -> None:
    documents = rd.Dataset.from_source(rd.InMemorySource([[number] for number in range(1, 11)]))
    documents = documents if known else documents.map(list, name="as a list")
    three, two = (documents.repeat(epochs).pad(1, eod_id=0).batch(2) for epochs in (3, 2))
    old, new = after(three, steps), iter(two)
    new.set_state(old.get_state(), allow={"epochs"})

    assert len(tokens(new, 100)) == left
    assert new.progress().components["data"].epochs == 2


def test_epochs_of_a_mix_that_ended_within_the_group_cannot_be_changed_there() -> None:
    def mixed(epochs: int) -> rd.Dataset[Any]:
        parts = {name: component(100, epochs, pack=False) for name in "ab"}
        return rd.mix(parts, stop="renormalize").pack(4, eod_id=0, window=64).batch(1)

    old, new = after(mixed(1), 1), iter(mixed(2))
    with pytest.raises(rd.PipelineMismatchError, match=r"the epochs of \['a', 'b'\] cannot be changed here"):
        new.set_state(old.get_state(), allow={"epochs"})
    assert new.step == 0


def test_the_advice_for_data_that_changed_and_grew_works() -> None:
    def rows(records: range, name: str) -> rd.Dataset[Any]:
        source = rd.InMemorySource([[record] * 3 for record in records])
        return rd.Dataset.from_source(source, name=name).shuffle(1).repeat().pack(6, eod_id=0, window=8)

    iterator = iter(rows(range(1, 40), "web").batch(2))
    for _ in range(5):
        next(iterator)
    state = through_json(iterator.get_state())
    with pytest.raises(rd.PipelineMismatchError, match=r"If 'web' only got more data.*'web-2': new_rows"):
        iter(rows(range(80, 0, -1), "web").batch(2)).set_state(state)

    old_rows, new_rows = rows(range(1, 40), "web"), rows(range(40, 80), "web-2")
    grown = iter(rd.mix({"web": old_rows, "web-2": new_rows}, {"web": 1, "web-2": 1}).batch(2))
    grown.set_state(state, allow={"sources"})
    assert grown.step == 5
    # Each batch has a row of either; those of before go on where they were.
    own = [row for _ in range(4) for row in next(grown).targets.tolist() if row[0] < 40]
    assert own == [row for _ in range(2) for row in next(iterator).targets.tolist()]
