import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import resumable_data as rd
from resumable_data.reading.documents import Documents
from resumable_data.reading.fields import TokenFields
from resumable_data.stages.truncate import Truncate, as_side

records = st.lists(st.lists(st.integers(0, 99), max_size=9), max_size=8)


def flat(contents: list[list[int]]) -> Documents:
    """Documents with a field whose values are the negative tokens."""
    mappings = [{"tokens": tokens, "negative": [-token for token in tokens]} for tokens in contents]
    return Documents(mappings).as_tokens(TokenFields("tokens", (("negative", "int32"),)), "document {}".format)


@given(records, st.integers(1, 9), st.sampled_from(["left", "right"]))
def test_tokens_and_fields_are_cut_alike(contents: list[list[int]], length: int, side: str) -> None:
    step = Truncate(length, side)
    found = step.apply(flat(contents), np.arange(len(contents)), "document {}".format).compact()

    expected = [tokens[-length:] if side == "left" else tokens[:length] for tokens in contents]
    assert [tokens.tolist() for tokens in found.tokens] == expected
    assert found.tokens.fields is not None
    assert np.array_equal(found.tokens.fields["negative"], -found.tokens.values)
    lost = [len(tokens) - len(kept) for tokens, kept in zip(contents, expected, strict=True)]
    assert (found.truncated.tolist() if found.truncated is not None else [0] * len(lost)) == lost
    lengths = np.array([len(tokens) for tokens in contents], np.int64)
    assert step.lengths(lengths).tolist() == found.tokens.lengths.tolist()


def test_what_was_truncated_before_counts_too() -> None:
    documents = flat([[1, 2, 3], [4]]).truncate(np.array([10, 20]))

    found = Truncate(2, "left").apply(documents, np.arange(2), "document {}".format)
    assert found.truncated is not None
    assert found.truncated.tolist() == [11, 20]


def test_a_dropped_document_stays_dropped() -> None:
    assert Truncate(2, "left").lengths(np.array([-1, 5])).tolist() == [-1, 2]


@pytest.mark.parametrize("method", ["pack", "pad"])
@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("side", ["left", "right"])
def test_rows_are_those_of_documents_that_a_map_has_cut(method: str, known: bool, side: str) -> None:
    source = rd.InMemorySource([list(range(100 * n, 100 * n + n)) for n in range(1, 40)])
    documents = rd.Dataset.from_source(source).shuffle(3)
    cut = documents.map(lambda record: record[-16:] if side == "left" else record[:16], name="cut")
    documents = documents if known else documents.map(list, name="list")
    found, expected = (
        [row.inputs.tolist() for row in getattr(data, method)(16, eod_id=0, truncate=truncate)]
        for data, truncate in ((documents, side), (cut.map(list, name="list"), False))
    )

    assert found if method == "pad" and known else sorted(found) == sorted(expected)


@pytest.mark.parametrize(("given", "side"), [(True, "right"), (False, None), (np.True_, "right"), ("left", "left")])
def test_a_side_may_be_given_as_a_bool(given: object, side: str | None) -> None:
    assert as_side("pack: truncate", given) == side


@pytest.mark.parametrize("given", ["tail", "", "Left", 1, 0.0, None, ["left"]])
def test_any_other_value_is_refused(given: object) -> None:
    with pytest.raises(rd.PipelineError, match="pack: truncate="):
        as_side("pack: truncate", given)
