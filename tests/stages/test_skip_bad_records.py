import logging
import pickle
from typing import Any

import numpy as np
import pytest

import resumable_data as rd
from property_tests.testing.running import through_json
from resumable_data.reading.bad_records import BadRecords

BAD = (3, 17)


class Faulty:
    """40 documents; two of them are bad, and storage fails at a third if so wished."""

    def __init__(self, bad: tuple[int, ...] = BAD, gone: int | None = None) -> None:
        self.bad, self.gone = bad, gone
        self._source = rd.InMemorySource([[record] * (1 + record % 4) for record in range(40)])

    def __len__(self) -> int:
        return len(self._source)

    def __repr__(self) -> str:
        return "faulty source"

    def read(self, indices: Any) -> Any:
        wanted = indices.tolist()
        if self.gone in wanted:
            raise rd.SourceError("the storage is gone")
        for record in wanted:
            if record in self.bad:
                raise rd.RecordError(f"faulty source, record {record} is bad")
        return self._source.read(indices)

    def fingerprint(self) -> str:
        return self._source.fingerprint()


def documents(**settings: Any) -> rd.Dataset[Any]:
    return rd.Dataset.from_source(Faulty(**settings))


def picky(document: list[int]) -> list[int]:
    if document[0] in BAD:
        raise KeyError("bad")
    return document


def no_tokens(document: list[int]) -> object:
    return "text" if document[0] in BAD else document


def tokens(dataset: Any) -> list[list[int]]:
    return [np.asarray(document).tolist() for document in dataset]


KEPT = [[record] * (1 + record % 4) for record in range(40) if record not in BAD]
STAGES = {
    "source": documents(),
    "map": documents(bad=()).map(picky),
    "filter": documents(bad=()).filter(lambda document: bool(picky(document)), name="picky"),
    "map and append_eod": documents(bad=()).append_eod(99).map(picky).append_eod(98),
}


@pytest.mark.parametrize("stage", STAGES)
def test_bad_records_are_left_out_wherever_they_show(stage: str, caplog: pytest.LogCaptureFixture) -> None:
    end = [99, 98] if stage == "map and append_eod" else []
    dataset = STAGES[stage].skip_bad_records(at_most=2)

    assert tokens(dataset) == [[*document, *end] for document in KEPT]
    rows = dataset.repeat(2).pad(8, eod_id=0)
    delivered = [row.targets[row.targets_segmentation > 0].tolist() for row in rows]
    assert delivered == [[*document, *end] for document in KEPT] * 2
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == len(BAD)
    for number, (record, warning) in enumerate(zip(BAD, warnings, strict=True), start=1):
        assert f"record {record} is left out ({number} of at most 2)" in warning
        assert warning.count(f"record {record}") >= 2  # by its source's name too


def test_a_record_that_holds_no_tokens_is_bad_once_tokens_are_wanted() -> None:
    rows = documents(bad=()).map(no_tokens).skip_bad_records(at_most=2).pad(8, eod_id=0)

    assert [row.targets[row.targets_segmentation > 0].tolist() for row in rows] == KEPT


def test_what_fails_behind_the_stage_is_not_its_business() -> None:
    with pytest.raises(rd.RecordError, match="picky fails"):
        list(documents(bad=()).skip_bad_records(at_most=2).map(picky))


def test_bad_records_keep_their_positions_and_are_counted() -> None:
    whole = documents(bad=()).skip_bad_records(1).shuffle(1).repeat(2).pad(8, eod_id=0)
    expected = [row.targets.tolist() for row in whole if row.targets[0] not in BAD]
    dataset = documents().skip_bad_records(2).shuffle(1).repeat(2).pad(8, eod_id=0)
    iterator = iter(dataset)

    assert [row.targets.tolist() for row in iterator] == expected
    resumed = iter(dataset)
    resumed.set_state(through_json(iterator.get_state()))
    assert iterator.progress().dropped == resumed.progress().dropped == 4
    assert iterator.progress().documents == 76


def test_one_more_than_may_be_is_an_error_that_says_so() -> None:
    iterator = iter(documents(bad=(3, 17, 30)).skip_bad_records(at_most=2))
    delivered = [next(iterator)[0] for _ in range(28)]
    assert delivered == [record for record in range(30) if record not in BAD]

    for _ in range(2):
        with pytest.raises(
            rd.RecordError, match=r"record 30 is bad. skip_bad_records\(at_most=2\) .*records 3, 17 were"
        ):
            next(iterator)
    assert iterator.step == 28


def test_a_record_counts_once_however_often_it_is_read() -> None:
    iterator = iter(documents(bad=(3,)).skip_bad_records(at_most=1).repeat(3).pack(4, window=5, eod_id=0).batch(1))
    for _ in iterator:
        iterator.set_state(through_json(iterator.get_state()))

    assert iterator.progress().dropped == 3


def test_what_storage_fails_with_is_never_skipped() -> None:
    with pytest.raises(rd.SourceError, match="the storage is gone"):
        list(documents(gone=20).skip_bad_records(at_most=40))


def test_another_limit_is_the_same_pipeline() -> None:
    iterator = iter(documents().skip_bad_records(at_most=2))
    next(iterator)

    resumed = iter(documents().skip_bad_records(at_most=30))
    resumed.set_state(iterator.get_state())
    assert next(resumed) == [1, 1]


@pytest.mark.parametrize("at_most", [0, -1])
def test_a_limit_of_none_is_no_policy(at_most: int) -> None:
    with pytest.raises(rd.PipelineError, match=f"skip_bad_records: at_most={at_most}"):
        documents().skip_bad_records(at_most)


def test_another_process_counts_anew() -> None:
    bad = BadRecords()
    bad.add(1, 1, rd.RecordError("one"))
    copy = pickle.loads(pickle.dumps(bad))
    copy.add(2, 1, rd.RecordError("two"))

    with pytest.raises(rd.RecordError, match="three"):
        copy.add(3, 1, rd.RecordError("three"))


# Fields that do not go with their tokens.


def record(number: int, **fields: object) -> dict[str, object]:
    return {
        "tokens": [number] * (1 + number % 4),
        "loss_mask": [1] * (1 + number % 4),
        "tokens_again": [number],
        "id": number,
        **fields,
    }


MISALIGNED: dict[int, dict[str, object]] = {3: record(3, loss_mask=[1, 1]), 17: record(17, loss_mask=[0.5, 1])}


def masked(**options: Any) -> rd.Dataset[Any]:
    records = [MISALIGNED.get(number, record(number)) for number in range(40)]
    return rd.Dataset.from_source(rd.InMemorySource(records, name="answers"), **options)


def closed(data: rd.Dataset[Any]) -> rd.Dataset[Any]:
    return data.append_eod(99, fields={"loss_mask": 1})


def odd_or_bad(document: dict[str, Any]) -> bool:
    return document["id"] % 2 == 1


def longer(document: dict[str, Any]) -> dict[str, Any]:
    return {**document, "tokens": [*document["tokens"], 98]}


def delivered(rows: rd.Dataset[Any]) -> list[list[int]]:
    return [row.targets[row.inputs_segmentation > 0].tolist() for row in rows]


@pytest.mark.parametrize("method", ["pad", "pack"])
def test_fields_that_do_not_go_with_the_tokens_make_a_record_bad(
    method: str, caplog: pytest.LogCaptureFixture
) -> None:
    options = {"strategy": "concat_split", "window": 7} if method == "pack" else {}
    data = masked().shuffle(seed=1).repeat(2).skip_bad_records(at_most=2)
    iterator = iter(getattr(data, method)(4, eod_id=0, fields=["loss_mask"], **options).batch(1, shards=1))
    batches = list(iterator)

    assert sorted({token for batch in batches for token in batch.targets.ravel().tolist()} | {0}) == [
        number for number in range(40) if number not in BAD
    ]
    assert iterator.progress().dropped == 4
    assert iterator.progress().documents == 76
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 2
    for number, warning in zip((17, 3), sorted(warnings), strict=True):
        assert f"record {number} is left out" in warning
        assert f"answers (40 records), record {number}: field 'loss_mask' h" in warning


def test_a_position_before_and_behind_a_record_with_bad_fields_resumes() -> None:
    def rows() -> rd.Dataset[Any]:
        packed = masked().repeat(2).skip_bad_records(at_most=2).pack(4, window=5, eod_id=0, fields=["loss_mask"])
        return packed.batch(4, shards=2)

    expected = [batch.targets.tolist() for batch in rows()]
    iterator = iter(rows())
    for taken in range(len(expected)):
        resumed = iter(rows())
        resumed.set_state(through_json(iterator.get_state()))
        assert [batch.targets.tolist() for batch in resumed] == expected[taken:]
        next(iterator)


def test_one_more_bad_field_than_may_be_is_an_error() -> None:
    rows = masked().skip_bad_records(at_most=1).pad(4, eod_id=0, fields=["loss_mask"])

    with pytest.raises(rd.RecordError, match=r"record 17: field 'loss_mask' .*at_most=1\) .*records 3 were bad"):
        list(rows)


EXPECTED = [[number] * (1 + number % 4) for number in range(40) if number not in BAD]
BEHIND = {
    "shuffle and repeat": (lambda data: data.repeat(1), EXPECTED),
    "append_eod": (closed, [[*tokens, 99] for tokens in EXPECTED]),
    "two of append_eod": (lambda data: closed(closed(data)), [[*tokens, 99, 99] for tokens in EXPECTED]),
    "append_eod to more than rows take": (
        lambda data: data.append_eod(99, fields={"loss_mask": 1, "tokens_again": 1}),
        [[*tokens, 99] for tokens in EXPECTED],
    ),
    "filter": (lambda data: data.filter(odd_or_bad), [tokens for tokens in EXPECTED if tokens[0] % 2]),
    "filter and append_eod": (
        lambda data: closed(data.filter(odd_or_bad)),
        [[*tokens, 99] for tokens in EXPECTED if tokens[0] % 2],
    ),
    "another": (lambda data: data.skip_bad_records(at_most=1), EXPECTED),
}


@pytest.mark.parametrize("stages", BEHIND)
def test_stages_that_hand_fields_on_may_follow(stages: str) -> None:
    build, expected = BEHIND[stages]
    data = build(masked().skip_bad_records(at_most=2))

    assert delivered(data.pad(8, eod_id=0, fields=["loss_mask"])) == expected


def test_a_record_that_a_filter_leaves_out_is_not_bad_as_well(caplog: pytest.LogCaptureFixture) -> None:
    even = masked().skip_bad_records(at_most=1).filter(lambda document: document["id"] != 3, name="not 3")

    assert delivered(even.pad(8, eod_id=0, fields=["loss_mask"])) == EXPECTED
    assert [record.args[0] for record in caplog.records if isinstance(record.args, tuple)] == [17]


def test_what_a_map_makes_of_fields_is_not_the_business_of_a_stage_below_it() -> None:
    with pytest.raises(rd.RecordError, match="record 0: field 'loss_mask' has 1 values, but the document has 2"):
        list(masked().skip_bad_records(at_most=40).map(longer).pad(8, eod_id=0, fields=["loss_mask"]))
    with pytest.raises(rd.SourceError, match=r"skip_bad_records.* leaves out 40 of them"):
        list(masked().map(longer).skip_bad_records(at_most=40).pad(8, eod_id=0, fields=["loss_mask"]))


def test_each_of_several_leaves_out_what_shows_below_it() -> None:
    def mended(document: dict[str, Any]) -> dict[str, Any]:
        if document["id"] == 5:
            raise KeyError("five")
        mask = [2] if document["id"] == 6 else [int(value) for value in document["loss_mask"]]
        return {**document, "loss_mask": mask}

    lower = masked().skip_bad_records(at_most=1)
    rows = lower.map(mended).skip_bad_records(at_most=3).pad(8, eod_id=0, fields=["loss_mask"])
    iterator = iter(rows.batch(1, shards=1))
    numbers = [batch.targets[0, 0] for batch in iterator]

    # The map makes whole numbers of the mask of 17.
    assert numbers == [number for number in range(40) if number not in (3, 5, 6)]
    assert iterator.progress().dropped == 3


def test_documents_without_rows_have_no_fields_to_check() -> None:
    assert len(list(masked().skip_bad_records(at_most=1))) == 40
