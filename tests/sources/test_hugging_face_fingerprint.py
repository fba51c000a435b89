"""What counts in the fingerprint of a dataset, and what does not."""

import os
from pathlib import Path

import datasets
import pytest

import resumable_data as rd
from property_tests.testing.hugging_face_data import DOCUMENTS, TEXTS, dataset_of, write_parquet
from resumable_data.sources.hugging_face import HuggingFaceSource


def fingerprint(dataset: datasets.Dataset, column: str | None = "tokens") -> str:
    return HuggingFaceSource(dataset, column).fingerprint()


def test_the_same_records_have_the_same_fingerprint_wherever_they_lie(tmp_path: Path) -> None:
    dataset_of().save_to_disk(tmp_path / "one")
    dataset_of().save_to_disk(tmp_path / "other", num_shards=3)
    one = HuggingFaceSource.from_disk(tmp_path / "one", "tokens")
    other = HuggingFaceSource.from_disk(tmp_path / "other", "tokens")
    wide = dataset_of().cast_column("tokens", datasets.LargeList(datasets.Value("int64")))
    expected = fingerprint(dataset_of())
    assert [one.fingerprint(), other.fingerprint(), fingerprint(wide)] == [expected] * 3
    assert fingerprint(dataset_of().select([5, 3]).flatten_indices()) == fingerprint(dataset_of().select([5, 3]))


def test_folder_and_time_of_a_file_do_not_count(tmp_path: Path) -> None:
    found = []
    for folder, time in (("a", 10**9), ("b", 2 * 10**9)):
        path = write_parquet(tmp_path / folder / "part.parquet", TEXTS)
        os.utime(path, (time, time))
        source = HuggingFaceSource.from_files(path, "text", cache_dir=tmp_path / "cache" / folder)
        found.append(source.fingerprint())
    assert found[0] == found[1]


@pytest.mark.parametrize(
    "changed",
    [
        [[1, 2, 3], [], [4], [5, 6], [7, 8, 9, 10], [12]],
        [[1, 2, 3], [], [4], [5, 6], [7, 8, 10, 10], [11]],
        [[1, 2, 3], [], [4], [5, 6], [7, 8, 9, 10]],
        [[1, 2, 3], [4], [], [5, 6], [7, 8, 9, 10], [11]],
        [[1, 2], [3], [4], [5, 6], [7, 8, 9, 10], [11]],
        [*DOCUMENTS, []],
    ],
)
def test_other_records_have_another_fingerprint(changed: list[list[int]]) -> None:
    assert fingerprint(dataset_of(changed)) != fingerprint(dataset_of())


def test_another_order_or_column_has_another_fingerprint() -> None:
    dataset = datasets.Dataset.from_dict({"text": TEXTS, "title": ["t"] * len(TEXTS)})
    found = [fingerprint(dataset.shuffle(seed=seed), "text") for seed in (1, 2)]
    found += [fingerprint(dataset, column) for column in ("text", "title", None)]
    found += [fingerprint(dataset.select(range(5)), None)]
    assert len(set(found)) == 6


def test_the_size_of_records_that_are_not_sampled_counts() -> None:
    documents = [[1, 2]] * 5000
    changed = [*documents[:3], [1], *documents[4:]]
    rows = range(5000)
    assert fingerprint(dataset_of(changed)) != fingerprint(dataset_of(documents))
    assert fingerprint(dataset_of([*changed, []]).select([*rows])) != fingerprint(
        dataset_of([*documents, []]).select([*rows])
    )


def test_data_replaced_under_the_fingerprint_of_the_dataset_is_noticed(tmp_path: Path) -> None:
    dataset_of().save_to_disk(tmp_path / "saved")
    dataset_of([*DOCUMENTS[:5], [12]]).save_to_disk(tmp_path / "other")
    before = datasets.load_from_disk(tmp_path / "saved")
    state = iter(rd.Dataset.from_source(HuggingFaceSource(before, "tokens"))).get_state()
    arrow = "data-00000-of-00001.arrow"
    (tmp_path / "other" / arrow).replace(tmp_path / "saved" / arrow)

    after = datasets.load_from_disk(tmp_path / "saved")

    assert after._fingerprint == before._fingerprint
    with pytest.raises(rd.PipelineMismatchError, match=r"source\.content was"):
        iter(rd.Dataset.from_source(HuggingFaceSource(after, "tokens"))).set_state(state)
