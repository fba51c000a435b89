from __future__ import annotations

import json
import resource
from pathlib import Path

import pytest
from etils import epath

import resumable_data as rd
from resumable_data.checkpoint.files import (
    FILES,
    Checking,
    check_complete,
    label_of,
    read_json,
    read_state,
    texts_of,
    write,
)


def iterator() -> rd.DataIterator[rd.LLMBatch]:
    source = rd.SyntheticSource(50, lengths=[3, 9], vocabulary=50)
    return iter(rd.Dataset.from_source(source, name="toy").shuffle(7).pad(9, eod_id=0).batch(2))


@pytest.fixture
def directory(tmp_path: Path) -> epath.Path:
    return epath.Path(tmp_path)


def test_what_is_written_is_read_back(directory: epath.Path) -> None:
    at = iterator()
    next(at)
    write(directory, texts_of(at, at.get_state()))
    check_complete(directory)
    assert sorted(path.name for path in directory.iterdir()) == sorted(FILES)
    assert read_state(directory) == at.get_state()
    assert read_json(directory / "pipeline.json")["components"]["toy"][1] == {"stage": "shuffle", "seed": 7}
    assert read_json(directory / "edits.json") == []


def test_a_step_that_is_not_expected_is_refused() -> None:
    at = iterator()
    assert texts_of(at, at.get_state(), 0).keys() == set(FILES)
    with pytest.raises(rd.StateError, match="at step 0, but step 1 is saved"):
        texts_of(at, at.get_state(), 1)


@pytest.mark.parametrize("missing", FILES)
def test_a_missing_file_is_named(directory: epath.Path, missing: str) -> None:
    for name in FILES:
        if name != missing:
            (directory / name).write_text("{}")
    with pytest.raises(rd.StateError, match=f"lacks {missing};"):
        check_complete(directory)


def test_the_state_is_written_last(directory: epath.Path) -> None:
    (directory / "pipeline.json").mkdir()
    with pytest.raises(rd.StateError, match=r"pipeline\.json cannot be written"):
        write(directory, dict.fromkeys(FILES, "{}"))
    assert not (directory / "state.json").exists()


@pytest.mark.parametrize("text", ["", "{", '"state"', "[]", "\udc80"])
def test_what_is_no_state_is_refused_with_the_path(directory: epath.Path, text: str) -> None:
    (directory / "state.json").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(rd.StateError, match=r"/state\.json is damaged: .*Restore an earlier checkpoint"):
        read_state(directory)


def test_files_are_json_for_people(directory: epath.Path) -> None:
    at = iterator()
    texts = texts_of(at, at.get_state())
    assert all(json.loads(text) is not None for text in texts.values())
    assert texts["pipeline.json"].count("\n") > 5


@pytest.mark.parametrize(
    "path", ["/a/run/5.orbax-checkpoint-tmp/data.orbax-checkpoint-tmp", "/other/5/data", "/gone/run/5/data"]
)
def test_an_item_is_called_the_same_wherever_it_lies(path: str) -> None:
    assert label_of(epath.Path(path)) == "5/data"


def test_our_iterators_can_check_without_moving() -> None:
    assert isinstance(iterator(), Checking)


def test_bad_records_that_were_left_out_are_listed_beside_the_state(directory: epath.Path) -> None:
    records = [[1], "no tokens", [3], None, [5], [6]]
    data = rd.Dataset.from_source(rd.InMemorySource(records, name="mine"), name="web")
    at = iter(data.skip_bad_records(at_most=2).pad(2, eod_id=0).batch(2))
    before = texts_of(at, at.get_state())
    next(at)
    write(directory, texts_of(at, at.get_state()))
    check_complete(directory)

    assert before.keys() == set(FILES)
    assert sorted(path.name for path in directory.iterdir()) == sorted([*FILES, "bad_records.json"])
    listed = read_json(directory / "bad_records.json")
    assert [(bad["component"], bad["record"]) for bad in listed] == [("web", 1), ("web", 3)]
    assert "mine (6 records), record 1" in listed[0]["reason"]
    # Bad records are not part of the state: an iterator that has not met them has the same state.
    resumed = iter(data.skip_bad_records(at_most=3).pad(2, eod_id=0).batch(2))
    resumed.set_state(read_state(directory))
    assert resumed.get_state() == at.get_state()
    assert next(resumed).targets.tolist() == next(at).targets.tolist()


def test_a_folder_in_place_of_a_state_is_not_called_damage(directory: epath.Path) -> None:
    (directory / "state.json").mkdir()
    with pytest.raises(rd.StateError, match=r"state\.json cannot be read: Is a directory \(EISDIR\).*may be sound"):
        read_state(directory)


def test_too_many_open_files_are_not_called_damage(directory: epath.Path) -> None:
    (directory / "state.json").write_text("{}")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with (directory / "state.json").open() as free:
        lowest = free.fileno()
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, hard))
    try:
        with pytest.raises(rd.StateError, match=r"Too many open files \(EMFILE\)\. Trying again can help"):
            read_state(directory)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert read_state(directory) == {}


def test_a_missing_state_is_called_missing(directory: epath.Path) -> None:
    with pytest.raises(rd.StateError, match=r"state\.json is missing.*Restore an earlier checkpoint"):
        read_state(directory)
