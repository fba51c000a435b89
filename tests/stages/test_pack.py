import numpy as np
import pytest

import resumable_data as rd


def documents(*lengths: int) -> rd.Dataset[list[int]]:
    """Documents of these lengths, the tokens of the first 10, 11, …, of the second 20, 21, …"""
    records = [list(range(10 * number, 10 * number + n)) for number, n in enumerate(lengths, start=1)]
    return rd.Dataset.from_source(rd.InMemorySource(records))


def targets(rows: rd.Dataset[rd.LLMBatch]) -> list[list[int]]:
    return [row.targets.tolist() for row in rows]


@pytest.mark.parametrize("strategy", ["first_fit", "best_fit"])
def test_the_worked_example(strategy: str) -> None:
    eod = 99
    toy = rd.Dataset.from_source(rd.InMemorySource([[1, 2, 3], [4, 5], [6, 7]])).append_eod(eod)
    (batch,) = toy.pack(8, strategy=strategy, eod_id=eod).batch(2)

    assert batch.targets.tolist() == [[1, 2, 3, 99, 4, 5, 99, 0], [6, 7, 99, 0, 0, 0, 0, 0]]
    assert batch.inputs.tolist() == [[99, 1, 2, 3, 99, 4, 5, 99], [99, 6, 7, 99, 0, 0, 0, 0]]
    for segmentation in (batch.inputs_segmentation, batch.targets_segmentation):
        assert segmentation.tolist() == [[1, 1, 1, 1, 2, 2, 2, 0], [1, 1, 1, 0, 0, 0, 0, 0]]
    for position in (batch.inputs_position, batch.targets_position):
        assert position.tolist() == [[0, 1, 2, 3, 0, 1, 2, 0], [0, 1, 2, 0, 0, 0, 0, 0]]
    assert batch.get_document_borders().astype(int).tolist() == [[1, 0, 0, 0, 1, 0, 0, 1], [1, 0, 0, 1, 0, 0, 0, 0]]


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        ("first_fit", [[10, 11, 30], [20, 21, 0], [40, 41, 0]]),
        ("best_fit", [[10, 11, 0], [20, 21, 0], [30, 40, 41]]),
        ("concat_split", [[10, 11, 20], [21, 30, 40], [41, 0, 0]]),
    ],
)
def test_strategies(strategy: str, expected: list[list[int]]) -> None:
    assert targets(documents(2, 2, 1, 2).pack(3, strategy=strategy, eod_id=0)) == expected


@pytest.mark.parametrize("strategy", ["first_fit", "best_fit", "concat_split"])
def test_a_long_document_goes_on_in_another_row(strategy: str) -> None:
    first, second = documents(5).pack(3, strategy=strategy, eod_id=99)

    assert first.inputs.tolist() == [99, 10, 11]
    assert second.inputs.tolist() == [12, 13, 14]
    assert second.targets.tolist() == [13, 14, 0]
    assert second.inputs_position.tolist() == [0, 1, 0]


@pytest.mark.parametrize("strategy", ["first_fit", "best_fit", "concat_split"])
def test_or_loses_its_tail(strategy: str) -> None:
    iterator = iter(documents(5, 3).pack(3, strategy=strategy, eod_id=0, truncate=True).batch(1))

    assert [batch.targets.tolist() for batch in iterator] == [[[10, 11, 12]], [[20, 21, 22]]]
    assert iterator.progress().truncated == 2


@pytest.mark.parametrize("strategy", ["first_fit", "best_fit", "concat_split"])
def test_or_its_head(strategy: str) -> None:
    rows = documents(5, 3).append_eod(99).pack(4, strategy=strategy, eod_id=98, truncate="left")
    iterator = iter(rows.batch(1))
    batches = list(iterator)

    assert [batch.targets.tolist() for batch in batches] == [[[12, 13, 14, 99]], [[20, 21, 22, 99]]]
    assert batches[0].inputs.tolist() == [[98, 12, 13, 14]]
    assert iterator.progress().truncated == rows.packing().truncated == 2


@pytest.mark.parametrize("strategy", ["first_fit", "best_fit", "concat_split"])
@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("most", [1, 2, 3])
def test_a_row_has_at_most_so_many_documents(strategy: str, known: bool, most: int) -> None:
    ten = documents(*[1] * 10)
    ten = ten if known else ten.map(list, name="list")
    rows = ten.pack(8, strategy=strategy, eod_id=0, max_documents=most)

    in_rows = [int(row.inputs_segmentation.max()) for row in rows]
    assert in_rows == [most] * (10 // most) + [10 % most] * (10 % most > 0)
    assert rows.packing().most_documents == most
    assert documents(*[1] * 10).pack(8, strategy=strategy, eod_id=0).packing().most_documents == 8


def test_another_bound_is_another_pipeline() -> None:
    state = iter(documents(1, 1).pack(8, eod_id=0, max_documents=64).batch(1)).get_state()

    with pytest.raises(rd.PipelineMismatchError, match=r"pack.max_documents was 64, is 32"):
        iter(documents(1, 1).pack(8, eod_id=0, max_documents=32).batch(1)).set_state(state)


@pytest.mark.parametrize("given", [0, -1, 2.5, "8"])
def test_a_bound_is_a_number_of_documents(given: object) -> None:
    with pytest.raises(rd.PipelineError, match="max_documents="):
        documents(1).pack(8, eod_id=0, max_documents=given)  # type: ignore[arg-type]


def test_documents_without_tokens_take_no_room() -> None:
    assert targets(documents(0, 2, 0, 1, 0).pack(3, eod_id=0)) == [[20, 21, 40]]


@pytest.mark.parametrize("epochs", [1, 3, None])
def test_an_epoch_without_any_token_is_an_error(epochs: int | None) -> None:
    with pytest.raises(rd.SourceError, match="component 'data': 2 documents have no token, as many as an epoch has"):
        targets(documents(0, 0).repeat(epochs).pack(3, eod_id=0))


def test_windows_without_a_token_are_passed_over() -> None:
    rows = documents(0, 0, 1, 0, 0, 0, 2).repeat(2).pack(3, window=1, eod_id=0)

    assert targets(rows) == [[30, 0, 0], [70, 71, 0]] * 2


def test_windows_do_not_mix() -> None:
    rows = documents(1, 1, 1, 1, 1).pack(4, window=2, eod_id=0)

    assert targets(rows) == [[10, 0, 0, 0], [20, 30, 0, 0], [40, 50, 0, 0]]


@pytest.mark.parametrize("strategy", ["first_fit", "best_fit", "concat_split"])
def test_no_window_holds_documents_of_two_epochs(strategy: str) -> None:
    rows = documents(1, 1).repeat(3).pack(8, window=5, strategy=strategy, eod_id=0)

    assert targets(rows) == [[10, 20, 0, 0, 0, 0, 0, 0]] * 3


def test_the_windows_of_an_epoch_differ_by_one_document_at_most() -> None:
    rows = documents(*[1] * 9).pack(4, window=4, eod_id=0)

    assert targets(rows) == [[10, 20, 30, 0], [40, 50, 60, 0], [70, 80, 90, 0]]


def test_rows_are_shuffled_below_a_shuffle_only() -> None:
    source = rd.SyntheticSource(300, [5, 6, 7])
    packed = {"length": 8, "window": 300, "strategy": "concat_split", "eod_id": 0}
    shuffled = rd.Dataset.from_source(source).shuffle(3)
    in_document_order = [token for document in shuffled for token in document.tolist()]

    text = [token for row in targets(shuffled.pack(**packed)) for token in row if token]
    plain_text = [token for row in targets(rd.Dataset.from_source(source).pack(**packed)) for token in row if token]

    assert sorted(text) == sorted(in_document_order)
    assert text != in_document_order
    assert plain_text == [token for document in source.read(np.arange(300)) for token in document.tolist()]


def test_padding_is_what_one_asks_for() -> None:
    (batch,) = documents(1).pack(3, eod_id=7, pad_id=5).batch(2, drop_remainder=False)

    assert batch.targets.tolist() == [[10, 5, 5], [5, 5, 5]]
    assert batch.inputs.tolist() == [[7, 10, 5], [7, 5, 5]]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"length": 0}, "length=0 must be at least 1"),
        ({"length": -3}, "length=-3 must be at least 1"),
        ({"window": 0}, "window=0 must be at least 1"),
        ({"eod_id": -1}, "eod_id=-1 is not a token"),
        ({"eod_id": 2**31}, "eod_id=2147483648 is not a token"),
        ({"pad_id": -1}, "pad_id=-1 is not a token"),
        ({"pad_id": 2**31}, "pad_id=2147483648 is not a token"),
        ({"strategy": "worst_fit"}, "'worst_fit'; there are 'best_fit', 'first_fit', 'concat_split'"),
        ({"strategy": "one_a_row"}, "'one_a_row'; there are 'best_fit', 'first_fit', 'concat_split'"),
    ],
)
def test_impossible_settings_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(rd.PipelineError, match=f"pack: .*{message}"):
        documents(1).pack(**{"length": 8, "eod_id": 0, **settings})


def test_the_end_of_document_token_has_to_be_said() -> None:
    with pytest.raises(rd.PipelineError, match="pack: there is no end-of-document token"):
        documents(1).pack(8)
