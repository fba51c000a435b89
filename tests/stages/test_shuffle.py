from itertools import islice

import pytest

import resumable_data as rd


def numbers(count: int, name: str = "data") -> rd.Dataset[list[int]]:
    return rd.Dataset.from_source(rd.InMemorySource([[number] for number in range(count)]), name=name)


def order(documents: rd.Dataset[list[int]], count: int = 100) -> list[int]:
    return [document[0] for document in islice(iter(documents), count)]


@pytest.mark.parametrize("block", [None, 1, 7, 100, 1000])
def test_every_epoch_has_every_record_once_in_its_own_order(block: int | None) -> None:
    shuffled = order(numbers(100).shuffle(3, block).repeat(3), 300)
    epochs = [shuffled[first : first + 100] for first in range(0, 300, 100)]

    assert [sorted(epoch) for epoch in epochs] == [list(range(100))] * 3
    assert epochs[0] != epochs[1] != epochs[2] != epochs[0]


def test_one_seed_is_one_order() -> None:
    assert order(numbers(100).shuffle(3)) == order(numbers(100).shuffle(3))


def test_seed_and_name_make_the_order() -> None:
    orders = [
        order(numbers(100).shuffle(3)),
        order(numbers(100).shuffle(4)),
        order(numbers(100).shuffle(-3)),
        order(numbers(100).shuffle(3 + 2**64)),
        order(numbers(100, name="other").shuffle(3)),
    ]

    assert all(first != second for first in orders for second in orders if first is not second)


def test_seeds_and_epochs_do_not_alias() -> None:
    second_epoch = order(numbers(100).shuffle(7).repeat(2), 200)[100:]

    assert second_epoch != order(numbers(100).shuffle(8))


def test_blocks_stay_together() -> None:
    shuffled = order(numbers(100).shuffle(3, block=10))
    blocks = [{number // 10 for number in shuffled[first : first + 10]} for first in range(0, 100, 10)]

    assert all(len(block) == 1 for block in blocks)
    assert blocks != sorted(blocks, key=min)
    assert any(shuffled[first : first + 10] != sorted(shuffled[first : first + 10]) for first in range(0, 100, 10))


def test_shuffling_twice_is_refused() -> None:
    with pytest.raises(rd.PipelineError, match="shuffled already"):
        numbers(3).shuffle(1).map(list).shuffle(2)


def test_shuffle_goes_before_repeat() -> None:
    with pytest.raises(rd.PipelineError, match="shuffle goes before repeat"):
        numbers(3).repeat().shuffle(1)


@pytest.mark.parametrize("block", [0, -4])
def test_a_block_has_records(block: int) -> None:
    with pytest.raises(rd.PipelineError, match=f"block={block} must be at least 1"):
        numbers(3).shuffle(1, block=block)
