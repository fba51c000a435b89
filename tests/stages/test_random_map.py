from itertools import islice
from typing import Any

import grain
import numpy as np
import pytest

import resumable_data as rd
from property_tests.testing.running import through_json
from resumable_data.stages.random_map import generator

LENGTH = 6


def documents(count: int = 12) -> rd.Dataset[Any]:
    """Document r is made of LENGTH tokens r."""
    return rd.Dataset.from_source(rd.InMemorySource([[record] * LENGTH for record in range(count)], name="toy"))


def noisy(document: Any, draw: np.random.Generator) -> list[int]:
    """Keeps the first token, which says which record it is."""
    return [int(document[0]), *draw.integers(1000, 10**6, len(document) - 1).tolist()]


def shortened(document: Any, draw: np.random.Generator) -> list[int]:
    return noisy(document, draw)[: int(draw.integers(0, LENGTH + 1))]


def failing(document: Any, draw: np.random.Generator) -> Any:
    raise KeyError("no")


class Noise(grain.transforms.RandomMap):
    def random_map(self, element: Any, rng: np.random.Generator) -> Any:
        return noisy(element, rng)


def tokens(dataset: Any, count: int | None = None) -> list[list[int]]:
    return [np.asarray(document).tolist() for document in islice(dataset, count)]


def rows(dataset: Any, count: int = 40) -> list[Any]:
    return [batch.targets.tolist() for batch in islice(iter(dataset), count)]


def test_a_record_is_drawn_for_anew_in_every_epoch_wherever_it_stands() -> None:
    in_order = tokens(documents().repeat(3).random_map(noisy, seed=1))
    shuffled = tokens(documents().random_map(noisy, seed=1).shuffle(5).repeat(3))

    for epoch in range(3):
        stretch = slice(12 * epoch, 12 * epoch + 12)
        assert sorted(shuffled[stretch]) == sorted(in_order[stretch])
    assert shuffled != in_order
    assert len({tuple(document[1:]) for document in in_order}) == 36


def test_the_seed_decides() -> None:
    first, again, other = (tokens(documents().random_map(noisy, seed=seed)) for seed in (1, 1, 2**70))

    assert first == again
    assert not {tuple(document) for document in first} & {tuple(document) for document in other}


def test_random_maps_of_one_seed_draw_each_their_own() -> None:
    def drawn(document: Any, draw: np.random.Generator) -> list[int]:
        return [*document, int(draw.integers(2**31))]

    twice = documents().random_map(drawn, seed=1, name="d").random_map(drawn, seed=1, name="d").repeat(2)
    below, above = zip(*(document[-2:] for document in tokens(twice)), strict=True)
    assert len({*below, *above}) == 48
    once = documents().random_map(drawn, seed=1, name="d").repeat(2)
    assert list(below) == [document[-1] for document in tokens(once)]


@pytest.mark.parametrize("function", [noisy, Noise()])
@pytest.mark.parametrize("preserves_length", [True, False])
def test_any_interruption_and_any_number_of_processes_gives_the_same(function: Any, preserves_length: bool) -> None:
    mapped = documents().random_map(function, seed=3, preserves_length=preserves_length).append_eod(7)
    dataset = mapped.shuffle(1).repeat(4).pack(16, window=5, eod_id=7).batch(2, shards=2)
    whole = rows(dataset)
    assert len({tuple(row) for batch in whole for row in batch}) == 2 * len(whole)

    iterator, delivered = iter(dataset), []
    for step in range(len(whole)):
        if step % 2:
            state = iterator.get_state()
            iterator = iter(dataset)
            iterator.set_state(through_json(state))
        delivered.append(next(iterator).targets.tolist())
    assert delivered == whole
    parts = [rows(dataset.shard(index, 2)) for index in range(2)]
    assert [[*first, *second] for first, second in zip(*parts, strict=True)] == whole
    assert rows(dataset.prefetch(3)) == whole


def test_lengths_that_vary_by_epoch_are_measured_by_epoch() -> None:
    mapped = documents().random_map(shortened, seed=3)
    expected = [document for document in tokens(mapped.repeat(5)) if document]
    packed = mapped.repeat(5).pad(LENGTH, eod_id=0)

    assert [row.targets[row.targets_segmentation > 0].tolist() for row in packed] == expected


def test_lengths_stay_known_where_they_are_promised() -> None:
    batches = documents().random_map(noisy, seed=1, preserves_length=True).pack(8, eod_id=0).batch(4)
    assert batches.node.shards_of(None) is None
    cut = documents().random_map(shortened, seed=3, preserves_length=True).pad(LENGTH, eod_id=0)
    with pytest.raises(rd.RecordError, match=r"random_map: .*shortened makes \d tokens of the 6 of toy.*epoch 0"):
        list(cut)


def test_components_that_repeat_in_a_mix_draw_anew() -> None:
    few, many = documents(3).random_map(noisy, seed=1), documents(30).map(list, version="1")
    mixed = rd.mix({"few": few, "many": many}, stop="all_exhausted")
    drawn = [document for document in tokens(mixed) if len(set(document)) > 1]

    assert len(drawn) == len({tuple(document) for document in drawn}) == 30
    assert drawn == tokens(few.repeat(10))


def test_stages_above_and_below_hand_numbers_on() -> None:
    doubled = documents().map(lambda document: [2 * token for token in document], name="doubled")
    chain = doubled.filter(lambda document: document[0] % 3 > 0, name="no threes").random_map(noisy, seed=1)
    kept = chain.map(list, version="1").filter(on_lengths=lambda lengths: lengths > 2, name="all").append_eod(5)
    plain = [*doubled.random_map(noisy, seed=1).repeat(2)]

    assert tokens(kept.repeat(2)) == [[*document, 5] for document in plain if document[0] % 3 > 0]
    assert kept.repeat(2).pad(LENGTH + 1, eod_id=5).batch(1).length().steps == 16


def test_a_bad_record_counts_once_in_all_epochs(caplog: pytest.LogCaptureFixture) -> None:
    def picky(document: Any, draw: np.random.Generator) -> Any:
        if document[0] == 4:
            raise KeyError("four")
        return document

    dataset = documents().random_map(picky, seed=1, name="picky").skip_bad_records(at_most=1).repeat(3)
    iterator = iter(dataset)
    assert len(list(iterator)) == 33
    assert iterator.progress().dropped == 3
    assert [record.getMessage() for record in caplog.records if "record 4 is left out" in record.getMessage()]
    assert len(caplog.records) == 1


def test_an_error_names_the_epoch() -> None:
    failing_ones = documents().random_map(failing, seed=1).random_map(noisy, seed=1).repeat()

    with pytest.raises(
        rd.RecordError, match=r"random_map: .*failing fails on toy \(12 records\), record 0, epoch 0: "
    ):
        next(iter(failing_ones))
    assert failing_ones.node.reader().name_of(5 + 2**36) == "toy (12 records), record 5, epoch 1"


def test_a_random_map_of_grain_in_map_needs_a_seed() -> None:
    assert tokens(documents().map(Noise(), seed=1)) == tokens(documents().random_map(noisy, seed=1))
    with pytest.raises(rd.PipelineError, match=r"map: Noise is a RandomMap of Grain.*seed="):
        documents().map(Noise())
    with pytest.raises(rd.PipelineError, match=r"map: seed= .*random_map\(function, seed=…\)"):
        documents().map(list, seed=1)


def test_function_and_seed_count_in_the_pipeline() -> None:
    iterator = iter(documents().random_map(noisy, seed=1))
    *_, stage = iterator.description()["components"]["data"]
    assert stage == {"stage": "random_map", "function": f"{__name__}.noisy", "seed": 1}
    assert iterator.get_state()["algorithms"]["random_map"] == 1

    with pytest.raises(rd.PipelineMismatchError, match=r"random_map\.seed was 1, is 2"):
        iter(documents().random_map(noisy, seed=2)).set_state(iterator.get_state())


def test_indexed_rows_say_the_record_in_every_epoch() -> None:
    rows = documents(5).random_map(noisy, seed=1, preserves_length=True).repeat(3).pad(LENGTH, eod_id=0)
    batches = list(rows.batch(5, batch_type=rd.LLMIndexedBatch))

    assert [batch.document_idx.tolist() for batch in batches] == [[1, 2, 3, 4, 5]] * 3
    assert [(batch.targets[:, 0] + 1).tolist() for batch in batches] == [[1, 2, 3, 4, 5]] * 3


def test_generators_stay_what_they_were() -> None:
    drawn = [generator(7, level, epoch, record).bit_generator.random_raw() for level, epoch, record in GOLDEN]

    assert drawn == list(GOLDEN.values())


GOLDEN = {
    (0, 0, 0): 9496605740452644720,
    (0, 1, 0): 7476463856144480835,
    (1, 0, 0): 13012383087742061528,
    (0, 0, 10**9): 1001863239998096402,
}
