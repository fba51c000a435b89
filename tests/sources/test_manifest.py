"""The file that says what is known of a corpus: written whole, checked, and mapped."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from etils import epath
from hypothesis import given
from hypothesis import strategies as st

from resumable_data.errors import SourceError
from resumable_data.sources.manifest import LengthArray, Manifest, write_manifest
from resumable_data.sources.shard_facts import ShardFacts

LENGTHS = {"a": np.arange(3000, dtype=np.uint32), "b/é": np.array([2**32 - 1], np.uint32)}


def facts_of(lengths: dict[str, LengthArray]) -> dict[str, ShardFacts]:
    return {name: ShardFacts(7, len(counted), f"f-{name}", f"e-{name}") for name, counted in lengths.items()}


@pytest.fixture
def path(tmp_path: Path) -> epath.Path:
    return epath.Path(tmp_path / "deep" / "lengths.manifest")


def written(path: epath.Path) -> epath.Path:
    write_manifest(path, facts_of(LENGTHS), {"parser": LENGTHS, "other@2": {"a": LENGTHS["a"] * 2}})
    return path


@given(
    st.dictionaries(st.text(max_size=5), st.integers(1, 1500), max_size=5),
    st.lists(st.sets(st.integers(0, 4)), max_size=3),
)
def test_what_is_written_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, counts: dict[str, int], parsers: list[set[int]]
) -> None:
    draw = np.random.default_rng(1)
    every = {name: draw.integers(0, 2**32, count).astype(np.uint32) for name, count in counts.items()}
    lengths = {
        str(number): {name: every[name] for place, name in enumerate(every) if place in chosen}
        for number, chosen in enumerate(parsers)
    }
    path = epath.Path(tmp_path_factory.mktemp("manifest")) / "lengths.manifest"
    write_manifest(path, facts_of(every), lengths)
    found = Manifest.load(path)
    assert found.facts == facts_of(every)
    assert found.lengths.keys() == lengths.keys()
    for parser, counted in lengths.items():
        assert {name: kept.tolist() for name, kept in found.counted(parser).items()} == {
            name: kept.tolist() for name, kept in counted.items()
        }


def test_nothing_is_known_where_there_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "absent", tmp_path / "file" / "below"):
        assert Manifest.load(epath.Path(path)) == Manifest()


def test_lengths_are_found_by_their_places(path: epath.Path) -> None:
    lengths = Manifest.load(written(path)).lengths["parser"]
    assert lengths.starts == {"a": 0, "b/é": 3000}
    assert lengths.at(np.array([2999, 3000, 0, 1024])).tolist() == [2999, 2**32 - 1, 0, 1024]
    assert lengths.at(np.zeros(0, np.int64)).tolist() == []


def test_every_changed_byte_is_noticed_where_it_is_used(path: epath.Path) -> None:
    content = written(path).read_bytes()
    data = len(content) - 3000 * 4 * 2  # about where the lengths begin
    places = {*range(0, data, 17), *range(data, len(content), 501), len(content) - 70}
    noticed = 0
    for place in places:
        path.write_bytes(content[:place] + bytes([content[place] ^ 4]) + content[place + 1 :])
        try:
            found = Manifest.load(path)
            known = {parser: {n: c.tolist() for n, c in found.counted(parser).items()} for parser in found.lengths}
        except SourceError as error:
            assert "is damaged" in str(error)  # noqa: PT017
            noticed += 1
        else:
            assert found.facts == facts_of(LENGTHS)
            assert known["parser"]["a"] == LENGTHS["a"].tolist()
    assert noticed > 0.9 * len(places)  # the rest are bytes between the parts


def test_a_damaged_block_does_not_keep_others_from_being_used(path: epath.Path) -> None:
    content = bytearray(written(path).read_bytes())
    place = content.index(np.arange(1500, 1510, dtype="<u4").tobytes())
    content[place] ^= 1
    path.write_bytes(bytes(content))
    lengths = Manifest.load(path).lengths["parser"]
    assert lengths.at(np.array([0, 1023, 2048])).tolist() == [0, 1023, 2048]
    for _ in range(2):
        with pytest.raises(SourceError, match=r"lengths\.manifest is damaged .*lengths from 1024 on.*delete it"):
            lengths.at(np.array([0, 2047]))


@pytest.mark.parametrize("kept", [0, 1, 50, 127, 128, 200, -1])
def test_a_file_that_was_cut_short_is_damaged(path: epath.Path, kept: int) -> None:
    path.write_bytes(written(path).read_bytes()[:kept])
    with pytest.raises(SourceError, match=r"is damaged .*delete it"):
        Manifest.load(path)


def test_a_folder_in_its_place_is_not_called_damage(path: epath.Path) -> None:
    path.mkdir(parents=True)
    with pytest.raises(SourceError, match=r"manifest cannot be read: Is a directory \(EISDIR\)"):
        Manifest.load(path)
    with pytest.raises(SourceError, match=r"manifest cannot be written: .* is a directory"):
        written(path)
    assert [each.name for each in path.parent.iterdir()] == [path.name]


@pytest.fixture
def tiny_disk() -> Iterator[None]:
    """Lets no file grow beyond 1,000 bytes, as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_leaves_what_was_there(path: epath.Path, request: pytest.FixtureRequest) -> None:
    before = written(path).read_bytes()
    request.getfixturevalue("tiny_disk")
    with pytest.raises(SourceError, match=r"cannot be written: File too large \(EFBIG\).*pass index_dir="):
        write_manifest(path, facts_of(LENGTHS), {"new": LENGTHS})
    assert [each.name for each in path.parent.iterdir()] == [path.name]
    assert path.read_bytes() == before


def test_no_file_can_be_opened_is_not_called_damage(path: epath.Path) -> None:
    written(path)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with path.open("rb") as free:
        lowest = free.fileno()
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, hard))
    try:
        with pytest.raises(SourceError, match=r"cannot be read: Too many open files \(EMFILE\)\. Trying again can"):
            Manifest.load(path)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
