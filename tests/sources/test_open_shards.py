"""Readers of many shards: few open at a time, checked, and errors of the system by their names."""

from __future__ import annotations

import gc
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from etils import epath

from property_tests.testing.array_record_shards import write_documents
from resumable_data.errors import SourceError
from resumable_data.sources.array_record import ArrayRecordSource
from resumable_data.sources.open_shards import OpenShards, ReaderPool
from resumable_data.sources.parse import parse_int32_tokens
from resumable_data.sources.shard_facts import measure_shard

N_SHARDS = 300


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    for number in range(N_SHARDS):
        write_documents(folder / f"c-{number:05d}.arecord", [[number] * 5])
    return folder


def open_of(folder: Path) -> list[str]:
    links = [link for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    return [target for link in links if (target := str(link.readlink())).startswith(str(folder))]


def source_of(corpus: Path) -> ArrayRecordSource:
    return ArrayRecordSource(f"{corpus}/*.arecord", parse_int32_tokens, progress=False)


@pytest.fixture
def limit(request: pytest.FixtureRequest) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (request.param, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="open files can only be seen under /proc")
@pytest.mark.parametrize(("limit", "most"), [(256, 64), (400, 100), (1024, 128)], indirect=["limit"])
@pytest.mark.usefixtures("limit")
def test_all_sources_together_keep_a_part_of_the_files_that_may_be_open(corpus: Path, most: int) -> None:
    sources = [source_of(corpus), source_of(corpus)]
    for source in sources:
        assert [int(tokens[0]) for tokens in source.read(np.arange(N_SHARDS))] == list(range(N_SHARDS))
    assert len(open_of(corpus)) == most
    sources.pop().close()
    assert not open_of(corpus)


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="open files can only be seen under /proc")
def test_more_shards_than_may_be_open_are_read_all_the_same(tmp_path: Path) -> None:
    paths = [epath.Path(write_documents(tmp_path / f"{n}.arecord", [[n], [n, n]])) for n in range(7)]
    shards = OpenShards(paths, [measure_shard(path) for path in paths], "Write it again.", ReaderPool(most_open=2))
    for order in ([6, 0, 3, 1], range(7)):
        found = shards.read([(number, [1, 0]) for number in order])
        assert [[np.frombuffer(record, np.int32).tolist() for record in records] for records in found] == [
            [[number, number], [number]] for number in order
        ]
    assert len(open_of(tmp_path)) <= 2


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="open files can only be seen under /proc")
def test_a_source_that_is_deleted_leaves_no_file_open_for_long(corpus: Path) -> None:
    source = source_of(corpus)
    source.read(np.arange(40))
    del source
    gc.collect()
    other = source_of(corpus)
    other.read(np.array([0]))
    assert len(open_of(corpus)) == 1
    other.close()


PROGRAM = """
import resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (256, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
opened = []
sys.addaudithook(lambda event, arguments: opened.append(str(arguments[0])) if event == "open" else None)
import resumable_data as rd
source = rd.ArrayRecordSource(sys.argv[1] + "/*.arecord", rd.parse_int32_tokens, progress=False)
data = rd.Dataset.from_source(source).shuffle(seed=1).append_eod(0).pack(32, eod_id=0).batch(8)
at_opening = [path for path in opened if path.startswith(sys.argv[1])]
with iter(data) as batches:
    print(next(batches).inputs.shape)
print(len(at_opening), at_opening[0].rpartition("/")[2], len([p for p in opened if p.startswith(sys.argv[1])]) < 60)
"""


def test_a_pipeline_opens_the_manifest_and_the_shards_it_needs(corpus: Path) -> None:
    source_of(corpus).build_index()
    shown = subprocess.run([sys.executable, "-c", PROGRAM, str(corpus)], capture_output=True, text=True, check=True)
    assert shown.stdout == "(8, 32)\n2 lengths.manifest True\n"


def test_a_shard_with_other_records_is_not_read(corpus: Path) -> None:
    paths = [epath.Path(corpus / f"c-{number:05d}.arecord") for number in range(2)]
    facts = [measure_shard(path) for path in paths]
    shards = OpenShards(paths, facts[::-1], "Do this")
    with pytest.raises(SourceError, match=r"c-00001\.arecord was changed.* Do this"):
        shards.read([(1, [0])])


@pytest.fixture
def no_free_files() -> Iterator[int]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.open("/", os.O_RDONLY)
    os.close(free)
    yield free
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_too_many_open_files_are_called_that_and_pass(corpus: Path, no_free_files: int) -> None:
    """What others have open is closed; so are this library's own files, so that the next attempt has room."""
    source = source_of(corpus)
    source.read(np.arange(30))
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    taken = [os.open("/", os.O_RDONLY) for _ in range(2)]
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(taken) + 1, hard))
    with pytest.raises(
        SourceError, match=r"c-00040\.arecord cannot be read: Too many open files \(EMFILE\)\. Trying"
    ):
        source.read(np.array([40]))
    assert source.read(np.array([40]))[0].tolist() == [40] * 5
    for file in taken:
        os.close(file)
    source.close()


def test_too_many_open_files_at_the_beginning_are_not_called_damage(corpus: Path, no_free_files: int) -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    path = epath.Path(corpus / "c-00000.arecord")
    for spare in (0, 1):
        resource.setrlimit(resource.RLIMIT_NOFILE, (no_free_files + spare, hard))
        if spare:  # Room for Python's file, after which array_record opens one of its own.
            assert measure_shard(path).records == 1
        else:
            with pytest.raises(SourceError, match=r"cannot be read: Too many open files \(EMFILE\)"):
                measure_shard(path)
