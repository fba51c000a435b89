"""Token stores: what is written is read, also what other projects write; and what is damaged is refused by name."""

from __future__ import annotations

import json
import pickle
import struct
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import resumable_data as rd

DOCUMENTS = [[5, 6, 7], [], [8], list(range(300)), [65_535]]


def write_as_megatron(path: Path, documents: list[list[list[int]]], code: int, dtype: str) -> None:
    """Writes a store byte by byte: documents of several sequences, as sentence splitting leaves them."""
    sequences = [sequence for document in documents for sequence in document]
    path.with_suffix(".bin").write_bytes(b"".join(np.array(sequence, dtype).tobytes() for sequence in sequences))
    index = b"MMIDIDX\x00\x00" + struct.pack("<QB", 1, code) + struct.pack("<QQ", len(sequences), len(documents) + 1)
    index += b"".join(struct.pack("<i", len(sequence)) for sequence in sequences)
    at = 0
    for sequence in sequences:
        index += struct.pack("<q", at)
        at += len(sequence) * np.dtype(dtype).itemsize
    border = 0
    for document in [[], *documents]:
        border += len(document)
        index += struct.pack("<q", border)
    path.with_suffix(".idx").write_bytes(index)


def lists(found: Any) -> list[list[int]]:
    return [document.tolist() for document in found]


@pytest.mark.parametrize("dtype", ["uint16", "int32"])
def test_what_is_written_is_read(tmp_path: Path, dtype: str) -> None:
    source = rd.TokenStoreSource(rd.write_token_store(tmp_path / "web.bin", DOCUMENTS, dtype))
    order = np.array([4, 0, 1, 3, 0])

    assert lists(source.read(order)) == [DOCUMENTS[k] for k in order]
    assert source.lengths(order).tolist() == [len(DOCUMENTS[k]) for k in order]
    assert (len(source), source.file_of(3), repr(source)) == (
        5,
        str(tmp_path / "web.bin"),
        "token store web.bin (5 records)",
    )
    assert lists(pickle.loads(pickle.dumps(source)).read(order)) == lists(source.read(order))


@pytest.mark.parametrize(("code", "dtype"), [(1, "<u1"), (3, "<i2"), (4, "<i4"), (5, "<i8"), (8, "<u2")])
def test_stores_of_other_projects_are_read(tmp_path: Path, code: int, dtype: str) -> None:
    write_as_megatron(tmp_path / "web", [[[1, 2], [3]], [[4]], [], [[5], [], [6, 7]]], code, dtype)
    source = rd.TokenStoreSource(tmp_path / "web.bin")

    assert lists(source.read(np.arange(4))) == [[1, 2, 3], [4], [], [5, 6, 7]]


@given(
    st.lists(st.lists(st.lists(st.integers(0, 2**16 - 1), max_size=6), max_size=5), min_size=1, max_size=4), st.data()
)
def test_several_files_are_one_list_of_documents(stores: list[list[list[int]]], data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as name:
        paths = [rd.write_token_store(f"{name}/part_{number}.bin", store) for number, store in enumerate(stores)]
        expected = [document for store in stores for document in store]
        if not expected:
            return
        source = rd.TokenStoreSource(paths)
        order = np.array(data.draw(st.lists(st.integers(0, len(expected) - 1), max_size=9)), np.int64)
        assert lists(source.read(order)) == [expected[k] for k in order]
        assert source.lengths(order).tolist() == [len(expected[k]) for k in order]


def test_a_pipeline_plans_without_reading_and_resumes(tmp_path: Path) -> None:
    for number in (2, 10):
        rd.write_token_store(tmp_path / f"part_{number}.bin", [[number] * (k % 7 + 1) for k in range(40)])
    source = rd.TokenStoreSource(f"{tmp_path}/part_*.bin")
    assert source.read(np.array([0]))[0].tolist() == [2]  # natural order
    data = rd.Dataset.from_source(source, name="web").shuffle(seed=1).repeat().append_eod(0).pack(16).batch(4)
    iterator = iter(data)
    for _ in range(3):
        next(iterator)
    state = json.loads(json.dumps(iterator.get_state()))
    other = iter(data)
    other.set_state(state)
    assert next(other).targets.tolist() == next(iterator).targets.tolist()
    assert data.explain(0).rows[0][0].file in {f"{tmp_path}/part_2.bin", f"{tmp_path}/part_10.bin"}


def test_the_fingerprint_is_of_the_content(tmp_path: Path) -> None:
    paths = [rd.write_token_store(tmp_path / f"{name}.bin", DOCUMENTS) for name in ("one", "two")]
    other = rd.write_token_store(tmp_path / "other.bin", [*DOCUMENTS[:-1], [65_534]])
    prints = [rd.TokenStoreSource(path).fingerprint() for path in [*paths, other]]

    assert prints[0] == prints[1] != prints[2]


def damage(tmp_path: Path, kind: str) -> Path:
    path = Path(rd.write_token_store(tmp_path / "web.bin", DOCUMENTS))
    index = path.with_suffix(".idx")
    content = bytearray(index.read_bytes())
    match kind:
        case "no index":
            index.unlink()
        case "index cut":
            index.write_bytes(content[:-3])
        case "not an index":
            index.write_bytes(b"something else, and longer than a header is")
        case "tokens cut":
            path.write_bytes(path.read_bytes()[:-2])
        case "version":
            content[9] = 2
            index.write_bytes(content)
        case "gap":
            content[34 + 4 * len(DOCUMENTS) + 8] ^= 4
            index.write_bytes(content)
        case _:
            return path.rename(tmp_path / "web.tokens")
    return path


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("no index", "web.bin: .*No such file"),
        ("index cut", "web.idx is truncated"),
        ("not an index", "web.idx is not the index of a token store"),
        ("tokens cut", "web.bin has 608 bytes, but web.idx says 610"),
        ("version", "version 2 with tokens of type 8 cannot be read"),
        ("gap", "documents do not follow one another"),
        ("name", "web.tokens is not a token store: give the .bin file"),
    ],
)
def test_what_is_damaged_is_refused_by_name(tmp_path: Path, kind: str, message: str) -> None:
    with pytest.raises(rd.SourceError, match=message):
        rd.TokenStoreSource(damage(tmp_path, kind))


def test_what_cannot_be_written_is_refused(tmp_path: Path) -> None:
    with pytest.raises(rd.RecordError, match="document 1 has a token that uint16 cannot hold"):
        rd.write_token_store(tmp_path / "web.bin", [[1], [70_000]])
    with pytest.raises(rd.RecordError, match="document 0 is not a list of tokens"):
        rd.write_token_store(tmp_path / "web.bin", [["one"]])  # type: ignore[list-item]
    with pytest.raises(rd.RecordError, match="document 1 is not a list of tokens"):
        rd.write_token_store(tmp_path / "web.bin", [[1], [2, [3]]])  # type: ignore[list-item]
    with pytest.raises(rd.PipelineError, match=r"web\.idx' must end in \.bin"):
        rd.write_token_store(tmp_path / "web.idx", [[1]])
    with pytest.raises(rd.PipelineError, match="documents=7 must be lists of tokens, not an int"):
        rd.write_token_store(tmp_path / "web.bin", 7)  # type: ignore[arg-type]
    with pytest.raises(rd.PipelineError, match="dtype='int64'; there are 'uint16', 'int32'"):
        rd.write_token_store(tmp_path / "web.bin", [[1]], "int64")
    with pytest.raises(rd.SourceError, match="cannot be written"):
        rd.write_token_store(tmp_path / "no" / "web.bin", [[1]])
    assert not (tmp_path / "web.idx").exists()
    with pytest.raises(rd.SourceError, match="has no documents"):
        rd.TokenStoreSource(rd.write_token_store(tmp_path / "empty.bin", []))


def test_a_token_that_int32_cannot_hold_is_a_bad_record(tmp_path: Path) -> None:
    write_as_megatron(tmp_path / "web", [[[1]], [[2**40]]], 5, "<i8")
    with pytest.raises(rd.RecordError, match="int32 cannot hold the token 1099511627776"):
        rd.TokenStoreSource(tmp_path / "web.bin").read(np.array([1]))
