import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resumable_data.errors import PipelineError, SourceError
from resumable_data.sources.synthetic import SyntheticSource, log_normal_lengths

LARGE = [10**9, 2**40]


def source_of(size: int = 1000, **settings: object) -> SyntheticSource:
    return SyntheticSource(size, **{"lengths": [0, 1, 5, 40], "vocabulary": 100, **settings})


@given(st.lists(st.integers(0, 2**40 - 1), max_size=20), st.integers(0, 2**40 - 1))
def test_a_record_is_the_same_whatever_else_is_asked(indices: list[int], index: int) -> None:
    source = source_of(2**40)
    alone = source.read(np.array([index]))[0].tolist()
    assert source.read(np.array([*indices, index, *indices]))[len(indices)].tolist() == alone


@pytest.mark.parametrize("size", [1, 5, *LARGE])
def test_lengths_are_those_of_the_documents(size: int) -> None:
    indices = np.unique(np.linspace(0, size - 1, 2000).astype(np.int64))
    source = source_of(size)
    lengths = source.lengths(indices)
    assert lengths.tolist() == [len(document) for document in source.read(indices)]
    assert set(lengths.tolist()) <= {0, 1, 5, 40}
    assert len(source) == size


@pytest.mark.parametrize("size", LARGE)
def test_each_length_is_as_frequent_as_in_the_table(size: int) -> None:
    indices = np.linspace(0, size - 1, 40_000).astype(np.int64)
    counts = np.unique(source_of(size).lengths(indices), return_counts=True)[1]
    # Binomial(40,000, 1/4): a standard deviation is 87.
    assert np.abs(counts - 10_000).max() < 5 * 87


def test_tokens_leave_zero_free_and_use_the_vocabulary_evenly() -> None:
    tokens = np.concatenate([*source_of(10**9, lengths=[100], vocabulary=51).read(np.arange(1000))])
    counts = np.bincount(tokens, minlength=51)
    assert counts[0] == 0
    assert len(counts) == 51
    # Binomial(100,000, 1/50): a standard deviation is 44.
    assert np.abs(counts[1:] - 2000).max() < 5 * 44


def test_documents_have_nothing_in_common() -> None:
    documents = source_of(10**9, lengths=[50], vocabulary=2**31).read(np.arange(200))
    tokens = np.concatenate([*documents])
    assert tokens.dtype == np.int32
    assert len(np.unique(tokens)) == len(tokens)


def test_the_smallest_vocabulary_has_one_token() -> None:
    assert source_of(lengths=[3], vocabulary=2).read(np.array([7]))[0].tolist() == [1, 1, 1]


def test_a_token_can_be_written_behind_each_document() -> None:
    source = source_of()
    documents = source.read(np.arange(100))
    before = [document.tolist() for document in documents]
    assert documents.spare == 1
    documents.values[documents.starts + documents.lengths] = -1
    assert [document.tolist() for document in documents] == before


def test_no_indices_give_no_documents() -> None:
    nothing = np.zeros(0, np.int64)
    assert len(source_of().read(nothing)) == len(source_of().lengths(nothing)) == 0


@pytest.mark.parametrize("outside", [-1, 1000])
def test_an_index_outside_is_refused(outside: int) -> None:
    for method in (source_of().read, source_of().lengths):
        with pytest.raises(IndexError, match=f"synthetic source has records 0 to 999; asked for {outside}"):
            method(np.array([outside]))


@pytest.mark.parametrize("size", [0, -5])
def test_a_source_without_documents_is_refused(size: int) -> None:
    with pytest.raises(SourceError, match=f"at least one document, got size={size}"):
        source_of(size)


@pytest.mark.parametrize("lengths", [[], [3, -1], [[1, 2]]])
def test_an_impossible_table_of_lengths_is_refused(lengths: list) -> None:
    with pytest.raises(PipelineError, match="lengths= must be a non-empty list"):
        source_of(lengths=lengths)


@pytest.mark.parametrize("vocabulary", [-1, 0, 1, 2**31 + 1])
def test_an_impossible_vocabulary_is_refused(vocabulary: int) -> None:
    with pytest.raises(PipelineError, match=f"vocabulary={vocabulary}"):
        source_of(vocabulary=vocabulary)


def test_every_setting_counts_in_the_fingerprint_and_in_the_documents() -> None:
    sources = [
        source_of(),
        source_of(seed=1),
        source_of(vocabulary=101),
        source_of(lengths=[0, 1, 5, 41]),
        source_of(lengths=[1, 0, 5, 40]),
    ]
    assert len({source.fingerprint() for source in [*sources, source_of(1001)]}) == 6
    assert len({source.read(np.arange(50)).values.tobytes() for source in sources}) == 5
    assert source_of().fingerprint() == source_of().fingerprint()


def test_log_normal_lengths_have_the_mean_and_median_of_web_text() -> None:
    lengths = log_normal_lengths(540)
    assert len(lengths) == 4096
    assert lengths == sorted(lengths)
    assert np.mean(lengths) == pytest.approx(540, rel=0.01)
    assert np.median(lengths) == pytest.approx(540 / np.e**0.5, rel=0.01)


def test_log_normal_lengths_are_clipped_to_what_was_asked_for() -> None:
    lengths = log_normal_lengths(540, sigma=3.0, longest=2000)
    assert lengths[0] == 1
    assert lengths[-1] == 2000


def test_without_spread_all_lengths_are_nearly_the_mean() -> None:
    assert set(log_normal_lengths(100, sigma=1e-9)) == {100}
