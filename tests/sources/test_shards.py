"""Which files are found, and what they are called."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest
from etils import epath

from resumable_data.errors import SourceError
from resumable_data.sources.shards import find_shards, home_of, list_shards, name_in, natural_order


def test_numbers_in_names_count_by_their_value() -> None:
    names = ["b_1", "a_10_2", "a_9", "a_10_1", "a_010", "a", "10", "9"]
    assert sorted(names, key=natural_order) == ["9", "10", "a", "a_9", "a_010", "a_10_1", "a_10_2", "b_1"]


@pytest.mark.parametrize(
    ("paths", "home", "names"),
    [
        (["/c/0", "/c/1"], "/c", ["0", "1"]),
        (["/c/a/0", "/c/b/x/1"], "/c", ["a/0", "b/x/1"]),
        (["/c/a/0", "/c/1"], "/c", ["a/0", "1"]),
        (["/c/a/0", "/d/1"], "/c/a", ["0", "../../d/1"]),
        (["a/0", "b/1"], ".", ["a/0", "b/1"]),
        (["0"], ".", ["0"]),
        (["gs://bucket/c/a/0", "gs://bucket/c/b/0"], "gs://bucket/c", ["a/0", "b/0"]),
        (["gs://one/c/0", "gs://two/c/0"], "gs://one/c", ["0", "gs://two/c/0"]),
    ],
)
def test_shards_have_names_in_the_folder_above_them(paths: list[str], home: str, names: list[str]) -> None:
    shards = [epath.Path(path) for path in paths]
    assert home_of(shards).as_posix() == home
    assert [name_in(home_of(shards), shard) for shard in shards] == names


def test_a_pattern_leaves_folders_and_manifests_out(tmp_path: Path) -> None:
    (tmp_path / "shard_0").touch()
    (tmp_path / "shard_1").mkdir()
    for name in ("shard_lengths.manifest", "shard_lengths.manifest.77.tmp"):
        (tmp_path / name).touch()
    assert [path.name for path in find_shards(f"{tmp_path}/*")] == ["shard_0"]


def test_known_files_are_not_asked_for(tmp_path: Path) -> None:
    (tmp_path / "shard_0").mkdir()
    (listed,) = list_shards(f"{tmp_path}/*")
    assert listed.files({epath.Path(tmp_path / "shard_0")}) == [tmp_path / "shard_0"]
    with pytest.raises(SourceError, match="no file matches"):
        listed.files(())


@pytest.fixture
def no_free_files() -> Iterator[None]:
    """Lets this process open no file more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken = os.open("/", os.O_RDONLY)
    os.close(taken)
    resource.setrlimit(resource.RLIMIT_NOFILE, (taken, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("no_free_files")
def test_a_folder_that_cannot_be_listed_is_not_called_empty(tmp_path: Path) -> None:
    with pytest.raises(
        SourceError, match=r"cannot be listed: Too many open files \(EMFILE\)\. Trying again can help"
    ):
        find_shards(f"{tmp_path}/*")
