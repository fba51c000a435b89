"""Text into tokens: what is added and cut, which records are refused, and what rows take over."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

import resumable_data as rd
from property_tests.testing.array_record_shards import write_records
from property_tests.testing.running import through_json
from property_tests.testing.toy_tokenizer import BOS_ID, EOS_ID, TEXT, alone, shared, trained
from resumable_data.stages import fast_tokenizer


def documents(records: Sequence[Any]) -> rd.Dataset[Any]:
    return rd.Dataset.from_source(rd.InMemorySource(records, name="toy source"), name="toy")


def tokens(dataset: rd.Dataset[Any]) -> list[list[int]]:
    return [document.tolist() for document in dataset]


def tokenized(*records: Any, **settings: Any) -> list[list[int]]:
    return tokens(documents(records).tokenize(shared(), **settings))


def settings_of(dataset: rd.Dataset[Any]) -> dict[str, Any]:
    return dict(iter(dataset).description()["components"]["toy"][-1])


@pytest.mark.parametrize(
    ("settings", "before", "after"),
    [
        ({}, [], [EOS_ID]),
        ({"eod_id": 7}, [], [7]),
        ({"add_eod": False}, [], []),
        ({"add_eod": False, "add_eos": True}, [], [EOS_ID]),
        ({"add_bos": True}, [BOS_ID], [EOS_ID]),
        ({"add_bos": True, "add_eos": True, "eod_id": 7}, [BOS_ID], [EOS_ID, 7]),
    ],
)
def test_what_is_asked_for_is_added_and_nothing_else(
    settings: dict[str, Any], before: list[int], after: list[int]
) -> None:
    assert tokenized(*TEXT, "", **settings) == [[*before, *alone(text), *after] for text in (*TEXT, "")]


@pytest.mark.parametrize("more", [-1, 0, 1, 2, 3, 4, 50])
def test_a_cut_document_has_its_bos_and_eos_and_no_end_of_document(more: int) -> None:
    text = alone(TEXT[0])
    limit = len(text) + more
    given = {"max_length": limit}

    assert tokenized(TEXT[0], **given) == [[*text, EOS_ID][:limit]]
    assert tokenized(TEXT[0], **given, add_eod=False) == [text[:limit]]
    closed = [*text[: limit - 1], EOS_ID]
    assert tokenized(TEXT[0], **given, add_eos=True, add_eod=False) == [closed]
    both = [BOS_ID, *text[: limit - 2], EOS_ID, 7]
    assert tokenized(TEXT[0], **given, add_bos=True, add_eos=True, eod_id=7) == [both[:limit]]


@pytest.mark.parametrize("more", [-1, 0, 1, 2, 3, 4, 50])
def test_a_document_that_is_cut_on_the_left_is_closed(more: int) -> None:
    text = alone(TEXT[0])
    limit = len(text) + more
    given = {"max_length": limit, "truncate": "left"}

    assert tokenized(TEXT[0], **given) == [[*text, EOS_ID][-limit:]]
    assert tokenized(TEXT[0], **given, add_eod=False) == [text[-limit:]]
    assert tokenized(TEXT[0], **given, add_eos=True) == [[*text, EOS_ID][-limit:]]
    (opened,) = tokenized(TEXT[0], **given, add_bos=True, add_eos=True, eod_id=7)
    assert opened == [BOS_ID, *[*text, EOS_ID, 7][-(limit - 1) :]]
    assert truncated([TEXT[0]], **given) == max(0, 1 - more)


def test_tokens_that_the_tokenizer_does_not_name_may_be_given() -> None:
    nameless = documents(["one two"]).tokenize(words(), add_bos=True, bos_id=7, add_eos=True, eos_id=8)
    (found,) = tokens(nameless)

    assert (found[0], found[-1]) == (7, 8)
    assert tokenized(TEXT[0], add_bos=True, bos_id=7)[0][0] == 7
    with pytest.raises(rd.PipelineError, match="names no BOS token: pass bos_id=…, or add_bos=False"):
        documents(["one"]).tokenize(words(), add_bos=True, eod_id=9)
    with pytest.raises(rd.PipelineError, match="bos_id=-1 is not a token"):
        documents(["one"]).tokenize(words(), add_bos=True, bos_id=-1, eod_id=9)


def test_the_side_counts_and_is_a_side() -> None:
    right, left = (documents(["a"]).tokenize(shared(), max_length=5, truncate=side) for side in ("right", "left"))

    assert "truncate" not in settings_of(right)
    assert settings_of(left)["truncate"] == "left"
    with pytest.raises(rd.PipelineError, match="tokenize: truncate='middle'"):
        documents(["a"]).tokenize(shared(), max_length=5, truncate="middle")
    with pytest.raises(rd.PipelineError, match="tokenize: truncate says where"):
        documents(["a"]).tokenize(shared(), max_length=5, truncate=False)


def truncated(records: Sequence[Any], **settings: Any) -> int:
    rows = iter(documents(records).tokenize(shared(), **settings).pack(64))
    list(rows)
    return rows.progress().truncated


@pytest.mark.parametrize("more", [-20, -2, -1, 0, 1, 2, 3])
def test_what_is_cut_are_the_tokens_of_the_text_alone(more: int) -> None:
    limit = {"max_length": len(alone(TEXT[0])) + more}

    assert truncated([TEXT[0]], **limit) == max(0, -more)
    assert truncated([TEXT[0]], **limit, add_eod=False) == max(0, -more)
    assert truncated([TEXT[0]], **limit, add_eos=True, eod_id=7) == max(0, 1 - more)
    assert truncated([TEXT[0]], **limit, add_eos=True, add_bos=True, eod_id=7) == max(0, 2 - more)
    assert truncated([TEXT[0]]) == 0


def test_what_tokenize_and_pad_cut_is_one_sum() -> None:
    texts = [*TEXT, "a", "", TEXT[0] * 3]
    rows = documents(texts).tokenize(shared(), max_length=20).pad(12, truncate=True)
    iterator, cut, kept = iter(rows), 0, 0

    for text, row in zip(texts, iterator, strict=True):
        whole = len(alone(text))
        cut += max(0, whole + (whole < 20) - 12)  # pad cuts off an end-of-document token that was added
        kept += int(np.count_nonzero(row.targets_segmentation))
        assert (iterator.progress().truncated, iterator.progress().tokens) == (cut, kept)
    assert cut > 90
    assert rows.packing().truncated == cut


def is_not_second(document: Any) -> bool:
    return document != TEXT[1] if isinstance(document, str | bytes) else document.tolist() != alone(TEXT[1])[:5]


def test_what_is_cut_of_documents_that_are_left_out_is_not_counted() -> None:
    texts = documents([TEXT[0], TEXT[1], b"\xff", TEXT[2]])

    for dataset in (
        texts.tokenize(shared(), max_length=5).skip_bad_records(1).filter(is_not_second),
        texts.tokenize(shared(), max_length=5).filter(is_not_second).skip_bad_records(1),
        texts.filter(is_not_second).tokenize(shared(), max_length=5).skip_bad_records(1),
    ):
        iterator = iter(dataset.pack(4))
        list(iterator)
        progress = iterator.progress()
        assert (progress.documents, progress.dropped) == (2, 2)
        assert progress.truncated == sum(len(alone(text)) - 5 for text in (TEXT[0], TEXT[2]))


def decoded(ids: Any) -> str:
    return shared().decode(ids)


def test_a_document_that_is_tokenized_twice_was_cut_twice() -> None:
    texts = documents([TEXT[0], "a", TEXT[1]]).tokenize(shared(), max_length=9, add_eod=False)
    rows = iter(texts.map(decoded).tokenize(shared(), max_length=2).pack(4))
    list(rows)

    again = [alone(decoded(alone(text)[:9])) for text in (TEXT[0], "a", TEXT[1])]
    cut = sum(len(alone(text)) - 9 for text in (TEXT[0], TEXT[1])) + sum(max(0, len(ids) - 2) for ids in again)
    assert rows.progress().truncated == cut


def test_what_is_cut_of_a_stream_is_counted() -> None:
    rows = iter(rd.Dataset.from_source(Stream()).tokenize(shared(), max_length=4).pack(8, window=2))
    list(rows)

    assert rows.progress().truncated == sum(len(alone(text)) - 4 for text in TEXT)


class Stream:
    """The texts, in their order alone."""

    def __init__(self, place: int = 0) -> None:
        self.place = place

    def open_at(self, state: Any) -> Stream:
        return Stream(state or 0)

    def fingerprint(self) -> str:
        return "stream"

    def __iter__(self) -> Iterator[str]:
        while self.place < len(TEXT):
            self.place += 1
            yield TEXT[self.place - 1]

    def state(self) -> int:
        return self.place


def words() -> Any:
    """A tokenizer of the words w1 to w49, whose tokens are their numbers; all others are 0."""
    tokenizer = Tokenizer(models.WordLevel({"x": 0, **{f"w{n}": n for n in range(1, 50)}}, unk_token="x"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return tokenizer


def named_by_first(numbers: range) -> list[str]:
    return [f"w{number}" + " x" * (number % 7) for number in numbers]


@pytest.mark.parametrize("shards", [1, 2])
def test_each_component_of_a_mix_of_documents_counts_what_is_cut_of_its_own(shards: int) -> None:
    cut_text, whole_text = documents(named_by_first(range(1, 30))), documents(named_by_first(range(30, 50)))
    known = documents([[100 + number] * (1 + number % 8) for number in range(20)])
    components = {
        "cut": cut_text.shuffle(3).repeat(4).tokenize(words(), eod_id=99, max_length=3),
        "known": known.repeat(4),
        "whole": rd.mix({"within": whole_text.repeat(4).tokenize(words(), eod_id=99)}),
    }
    rows = rd.mix(components, weights={"cut": 5, "known": 3, "whole": 2}).pack(5, window=7, truncate=True, eod_id=99)
    data = rows.batch(2, shards=shards)
    iterator = iter(data)
    expected = dict.fromkeys(("cut", "known", "whole/within"), 0)

    for batch in iterator:
        for first in batch.targets[(batch.targets_position == 0) & (batch.targets_segmentation > 0)].tolist():
            if first >= 100:
                expected["known"] += max(0, 1 + (first - 100) % 8 - 5)
            elif first >= 30:
                expected["whole/within"] += max(0, 1 + first % 7 + 1 - 5)
            else:
                expected["cut"] += max(0, 1 + first % 7 - 3)
        resumed = iter(data)
        resumed.set_state(through_json(iterator.get_state()))
        for progress in (iterator.progress(), resumed.progress()):
            assert {path: counts.truncated for path, counts in progress.components.items()} == expected
            assert progress.truncated == sum(expected.values())
    assert iterator.step > 20
    assert min(expected.values()) > 20


def test_nothing_is_cut_where_no_limit_is_given() -> None:
    long = " ".join(TEXT) * 3000
    (found,) = tokenized(long, add_eod=False)

    assert len(long) > 700_000
    assert found == alone(long)


def test_a_gigantic_document_is_split_over_rows() -> None:
    long = "row " * 20_000
    rows = documents(["a", long, "b"]).tokenize(shared()).pack(512, strategy="concat_split").batch(4, shards=1)
    cells = np.concatenate([batch.targets.ravel() for batch in rows])
    whole = [token for text in ("a", long, "b") for token in (*alone(text), EOS_ID)]

    assert cells.tolist() == whole[: len(cells)]
    assert len(cells) > 20_000


@pytest.mark.parametrize("settings", [{"max_length": 0}, {"max_length": 2, "add_bos": True, "add_eos": True}])
def test_a_limit_leaves_room_for_text(settings: dict[str, Any]) -> None:
    with pytest.raises(rd.PipelineError, match=f"max_length={settings['max_length']} leaves no room"):
        documents(["a"]).tokenize(shared(), **settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, r"no EOS token: pass eod_id=…, the end-of-document token, or add_eod=False"),
        ({"eod_id": 1, "add_eos": True}, "no EOS token: pass eos_id=…, or add_eos=False"),
        ({"eod_id": 1, "add_bos": True}, "no BOS token: pass bos_id=…, or add_bos=False"),
    ],
)
def test_a_token_that_the_tokenizer_does_not_name_is_asked_for(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(rd.PipelineError, match=message):
        documents(["a"]).tokenize(trained(), **settings)
    assert tokens(documents(["a"]).tokenize(trained(), eod_id=1)) == [[*alone("a"), 1]]
    assert tokens(documents(["a"]).tokenize(trained(), add_eod=False)) == [alone("a")]


@pytest.mark.parametrize("eod_id", [-1, 2**31, 1.5])
def test_an_end_of_document_that_is_no_token_is_refused(eod_id: Any) -> None:
    with pytest.raises(rd.PipelineError, match=f"tokenize: eod_id={eod_id}"):
        documents(["a"]).tokenize(shared(), eod_id=eod_id)


def test_text_is_str_or_utf8_and_may_stand_in_a_column() -> None:
    expected = [[*alone(TEXT[2]), EOS_ID]]

    assert tokenized(TEXT[2].encode()) == tokenized(bytearray(TEXT[2].encode())) == expected
    assert tokenized({"text": TEXT[2], "id": 5}, column="text") == expected
    assert tokenized({"text": TEXT[2].encode()}, column="text") == expected


@pytest.mark.parametrize(
    ("record", "column", "message"),
    [
        (b"gr\xfcn", None, r"not UTF-8 text: invalid start byte 0xfc at byte 2 of 4"),
        ({"a": b"\xff"}, "a", r"not UTF-8 text: invalid start byte 0xff at byte 0 of 1"),
        ("a\ud800", None, r"not Unicode text: .*surrogates not allowed"),
        (5, None, r"is an int, neither text \(str\) nor UTF-8 \(bytes\)"),
        (None, None, "is None, neither text"),
        ([1, 2], None, "is a list, neither text"),
        ({"a": "x", "b": "y"}, None, r"has the columns 'a', 'b': pass column="),
        ({"a": "x", "b": "y"}, "text", r"has no column 'text', only 'a', 'b'"),
        ({"text": 5}, "text", r"column 'text', is an int, neither text"),
        ("x", "text", "is a str, which has no column 'text': leave column= out"),
    ],
)
def test_a_record_without_text_is_named(record: Any, column: str | None, message: str) -> None:
    good: Any = "good" if column is None else {column: "good"}
    iterator = iter(documents([good, record]).tokenize(shared(), column=column))
    assert next(iterator).tolist() == [*alone("good"), EOS_ID]

    with pytest.raises(rd.RecordError, match=message) as caught:
        next(iterator)
    assert str(caught.value).startswith("tokenize: toy source (2 records), record 1")
    assert iterator.step == 1


@pytest.mark.parametrize("rows", ["pack", "pad"])
def test_rows_take_the_end_of_document_over(rows: str) -> None:
    def first_inputs(dataset: rd.Dataset[Any], **given: Any) -> int:
        batch = next(iter(getattr(dataset, rows)(64, **given).batch(1)))
        return int(batch.inputs[0, 0])

    text = documents(list(TEXT))
    assert first_inputs(text.tokenize(shared())) == EOS_ID
    assert first_inputs(text.tokenize(shared(), add_eod=False)) == EOS_ID
    assert first_inputs(text.tokenize(trained(), eod_id=7).shuffle(1).map(abs_, preserves_length=True)) == 7
    assert first_inputs(text.tokenize(shared(), add_eod=False).append_eod(8)) == 8
    assert first_inputs(text.tokenize(shared()), eod_id=9) == 9
    for without in (documents([[1]]), text.tokenize(trained(), add_eod=False)):
        with pytest.raises(rd.PipelineError, match=f"{rows}: there is no end-of-document token"):
            getattr(without, rows)(64)


def abs_(document: Any) -> Any:
    return np.abs(document)


def test_the_components_of_a_mix_agree_on_the_end_of_document_or_say_it() -> None:
    text, other = documents(list(TEXT)).tokenize(shared()), documents([[5, 6]])
    agreed = rd.mix({"a": text, "b": rd.mix({"c": other.append_eod(EOS_ID), "d": text})}).pack(64)

    assert next(iter(agreed.batch(1))).inputs[0, 0] == EOS_ID
    differing = rd.mix({"a": text, "b": rd.mix({"c": other, "d": text.append_eod(5)})})
    with pytest.raises(rd.PipelineError, match=r"pack: pass eod_id=….*\(a: 1, b/c: None, b/d: 5\)"):
        differing.pack(64)
    assert next(iter(differing.pack(64, eod_id=3).batch(1))).inputs[0, 0] == 3
    for second in (other, text.append_eod(5)):
        with pytest.raises(rd.PipelineError, match="components have different end-of-document tokens"):
            rd.mix({"a": text, "b": second}).pad(64)


def is_no_b(text: str) -> bool:
    return text != "b"


def test_documents_that_are_left_out_stay_so() -> None:
    text = documents(["a", "b", "", "c"])
    kept: Any = text.filter(is_no_b).tokenize(shared()).node.reader()
    found = kept.read_tokens(np.array([3, 2, 1, 0]))

    assert [part.tolist() for part in found.tokens] == [[*alone("c"), 1], [1], [], [*alone("a"), 1]]
    assert found.dropped.tolist() == [False, False, True, False]
    short: Any = documents(["b", TEXT[0], "b", TEXT[1]]).filter(is_no_b).tokenize(shared(), max_length=6).node
    assert short.reader().read_tokens(np.arange(4)).truncated.tolist() == [
        0,
        len(alone(TEXT[0])) - 6,
        0,
        len(alone(TEXT[1])) - 6,
    ]
    assert kept.read(np.array([0, 1])).kept.tolist() == [True, False]
    assert tokens(text.filter(is_no_b).tokenize(shared())) == [[*alone("a"), 1], [1], [*alone("c"), 1]]


def test_records_without_text_can_be_left_out() -> None:
    text = documents(["a", b"\xff", 5, "b"]).tokenize(shared()).skip_bad_records(2)

    assert tokens(text) == [[*alone("a"), 1], [*alone("b"), 1]]


def test_the_state_tells_tokenizers_and_rules_apart() -> None:
    text = documents(list(TEXT)).repeat()
    state = iter(text.tokenize(shared()).pack(16).batch(2)).get_state()
    other = trained()
    other.add_tokens(["pipeline"])

    same = text.tokenize(trained(), eod_id=EOS_ID).pack(16).batch(2)
    iter(same).set_state(through_json(state))
    for change, difference in (
        (text.tokenize(other, eod_id=EOS_ID), r"tokenize\.tokenizer was '?[0-9a-f]{16}'?, is"),
        (text.tokenize(shared(), max_length=9), r"tokenize\.max_length was None, is 9"),
        (text.tokenize(shared(), add_bos=True), r"tokenize\.bos_id was None, is 0"),
        (text.tokenize(shared(), add_eos=True), r"tokenize\.eos_id was None, is 1"),
        (text.tokenize(shared(), add_eod=False), r"tokenize\.eod_id was 1, is None"),
        (text.tokenize(shared(), column="text"), r"tokenize\.column was None, is '?text"),
    ):
        with pytest.raises(rd.PipelineMismatchError, match=difference):
            iter(change.pack(16).batch(2)).set_state(state)


def test_a_state_of_one_component_stays_below_a_kilobyte() -> None:
    rows = documents(list(TEXT)).shuffle(1).repeat().tokenize(shared(), column=None, add_bos=True).pack(16)
    iterator = iter(rows.batch(2, shards=1))
    for _ in range(3):
        next(iterator)

    assert len(json.dumps(iterator.get_state(), separators=(",", ":"))) <= 1024


def test_descriptions_say_what_was_asked_for() -> None:
    found = settings_of(documents(["a"]).tokenize(shared(), max_length=5))

    assert found.pop("tokenizer") == fast_tokenizer.FastTokenizer.of(shared()).fingerprint
    assert found == {"stage": "tokenize", "eod_id": EOS_ID, "max_length": 5}


SCRIPT = """
import subprocess
import resumable_data as rd
from property_tests.testing.toy_tokenizer import TEXT, trained
source = rd.InMemorySource(list(TEXT) * 100)
batches = rd.Dataset.from_source(source).repeat().tokenize(trained(), eod_id=1).pack(64).batch(4).prefetch(2)
with iter(batches) as iterator:
    for _ in range(20):
        next(iterator)
    subprocess.run(["true"], check=True)
"""


def test_threads_that_tokenize_warn_of_no_fork() -> None:
    root = str(Path(__file__).parents[2])
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, cwd=root, check=True)

    assert "fork" not in done.stderr


def test_array_records_of_text_are_tokenized(tmp_path: Path) -> None:
    path = write_records(tmp_path / "text.arecord", [TEXT[0].encode(), b"\xc3", TEXT[1].encode()])
    source = rd.ArrayRecordSource(str(path), parse=bytes)
    iterator = iter(rd.Dataset.from_source(source).tokenize(shared()))

    assert next(iterator).tolist() == [*alone(TEXT[0]), EOS_ID]
    with pytest.raises(
        rd.RecordError, match=r"text\.arecord.*record 1 is not UTF-8 text: unexpected end of data 0xc3"
    ):
        next(iterator)
