import os
import resource
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from etils import epath

from resumable_data.errors import SourceError
from resumable_data.sources.lengths_index import LengthsIndex, require_single_process

KEY, OTHER_KEY = "0123456789abcdef", "fedcba9876543210"


def index_in(folder: Path, key: str = KEY, records: int = 5) -> LengthsIndex:
    return LengthsIndex(epath.Path(folder) / "shard.arecord", epath.Path(folder), key, records)


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_what_is_built_is_loaded(tmp_path: Path) -> None:
    index = index_in(tmp_path)
    built = index.build([np.array([3, 0]), np.array([2**32 - 1, 7, 1])])
    loaded = index.load()
    assert built.tolist() == loaded.tolist() == [3, 0, 2**32 - 1, 7, 1]
    assert built.dtype == loaded.dtype == np.uint32
    assert names_in(tmp_path) == {f"shard.arecord.{KEY}.lengths.npy"}


def test_a_loaded_index_is_mapped_and_cannot_be_written_to(tmp_path: Path) -> None:
    index_in(tmp_path).build([np.arange(5)])
    loaded = index_in(tmp_path).load()
    assert isinstance(loaded, np.memmap)
    assert not loaded.flags.writeable


def test_an_index_that_is_not_there_is_none(tmp_path: Path) -> None:
    assert index_in(tmp_path).load() is None
    assert index_in(tmp_path / "no folder").load() is None


def test_missing_folders_are_made(tmp_path: Path) -> None:
    index_in(tmp_path / "a" / "b").build([np.arange(5)])
    assert index_in(tmp_path / "a" / "b").load().tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    "content",
    [b"", b"no array at all", b"\x93NUMPY", None],
    ids=["empty", "text", "cut in the header", "cut in the values"],
)
def test_a_damaged_index_is_named_with_what_to_do(tmp_path: Path, content: bytes | None) -> None:
    index = index_in(tmp_path)
    index.build([np.arange(5)])
    path = Path(index.path)
    path.write_bytes(path.read_bytes()[:-1] if content is None else content)
    with pytest.raises(SourceError, match=r"0123456789abcdef\.lengths\.npy is damaged .*delete it"):
        index.load()


@pytest.mark.parametrize(
    ("array", "described"),
    [
        (np.arange(4, dtype=np.uint32), r"uint32\[4\]"),
        (np.arange(5, dtype=np.int64), r"int64\[5\]"),
        (np.zeros((5, 1), np.uint32), r"uint32\[5, 1\]"),
        (np.zeros(5, np.float32), r"float32\[5\]"),
    ],
)
def test_an_index_of_another_shape_is_refused(tmp_path: Path, array: np.ndarray, described: str) -> None:
    index = index_in(tmp_path)
    np.save(index.path, array)
    with pytest.raises(SourceError, match=rf"holds {described}.*uint32\[5\]; delete it"):
        index.load()


def test_an_object_array_is_never_unpickled(tmp_path: Path) -> None:
    index = index_in(tmp_path)
    np.save(index.path, np.array([1, "two", None, 4, 5], object), allow_pickle=True)
    with pytest.raises(SourceError, match="is damaged"):
        index.load()


def test_a_document_too_long_to_note_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"shard\.arecord: a document of 4294967296 tokens"):
        index_in(tmp_path, records=1).build([np.array([2**32])])
    assert not names_in(tmp_path)


def test_counting_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def batches() -> Iterator[np.ndarray]:
        yield np.arange(3)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        index_in(tmp_path).build(batches())
    assert not names_in(tmp_path)


@pytest.fixture
def tiny_disk() -> Iterator[None]:
    """Lets no file grow beyond 1,000 bytes, as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.usefixtures("tiny_disk")
def test_a_full_disk_leaves_no_half_written_index(tmp_path: Path) -> None:
    index = index_in(tmp_path, records=10_000)
    with pytest.raises(SourceError, match=r"cannot be written .*pass index_dir="):
        index.build([np.arange(10_000)])
    assert not names_in(tmp_path)
    assert index.load() is None


@pytest.mark.usefixtures("tiny_disk")
def test_a_full_disk_leaves_the_index_that_was_there(tmp_path: Path) -> None:
    index_in(tmp_path).build([np.arange(5)])
    with pytest.raises(SourceError, match="cannot be written"):
        index_in(tmp_path).build([np.arange(10_000)])
    assert index_in(tmp_path).load().tolist() == [0, 1, 2, 3, 4]


def test_a_name_that_is_taken_by_a_folder_is_reported(tmp_path: Path) -> None:
    index = index_in(tmp_path)
    Path(index.path).mkdir()
    with pytest.raises(SourceError, match="cannot be written"):
        index.build([np.arange(5)])
    assert names_in(tmp_path) == {index.path.name}


def test_indexes_of_other_contents_are_removed_and_nothing_else(tmp_path: Path) -> None:
    others = [
        f"shard.arecord-2.{OTHER_KEY}.lengths.npy",
        f"other.arecord.{OTHER_KEY}.lengths.npy",
        f"shard.arecord.part.{OTHER_KEY}.lengths.npy",
        "shard.arecord",
        "shard.arecord.lengths.npy",
        f"shard.arecord.{OTHER_KEY}.lengths.txt",
    ]
    for name in others:
        (tmp_path / name).write_text("theirs")
    index_in(tmp_path, OTHER_KEY).build([np.arange(5)])
    index_in(tmp_path).build([np.arange(5)])
    assert names_in(tmp_path) == {*others, f"shard.arecord.{KEY}.lengths.npy"}


def test_one_process_may_build() -> None:
    require_single_process("command")


def test_many_processes_are_told_the_command_instead(tmp_path: Path) -> None:
    """Two real processes, joined by jax.distributed."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        address = f"localhost:{free.getsockname()[1]}"
    program = (
        "import jax, sys\n"
        "from resumable_data.errors import SourceError\n"
        "from resumable_data.sources.lengths_index import require_single_process\n"
        "jax.config.update('jax_platforms', 'cpu')\n"
        "jax.distributed.initialize(sys.argv[1], 2, int(sys.argv[2]))\n"
        "try:\n"
        "    require_single_process('resumable-data index corpus')\n"
        "except SourceError as error:\n"
        "    print(error)\n"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", program, address, str(number)],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(2)
    ]
    try:
        for process in processes:
            printed, _ = process.communicate(timeout=300)
            assert process.returncode == 0
            assert "Run once: resumable-data index corpus" in printed
    finally:
        for process in processes:
            process.kill()
