from collections import Counter
from dataclasses import dataclass
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from property_tests.testing.oracle.packing import PACKERS
from resumable_data.delivered import COUNTED
from resumable_data.packing.plan import DocumentLengths, DocumentPlan, RowPlan
from resumable_data.packing.window import STRATEGIES, VERSIONS, PackedWindow, StrategyName, pack_window

SHUFFLE_KEY = (7, "web", 3)


@dataclass(frozen=True)
class Window:
    """The arguments of ``pack_window``, drawn by Hypothesis."""

    lengths: list[int]
    row_length: int
    strategy: str
    max_documents: int | None = None
    shuffle_key: tuple[int | str, ...] | None = None
    counts: list[tuple[int, int]] | None = None

    def documents(self) -> DocumentPlan:
        numbers = np.arange(len(self.lengths))
        return DocumentPlan(numbers % 3, numbers * 1000 + 5)

    def document_lengths(self) -> DocumentLengths:
        counts = None if self.counts is None else np.array(self.counts, np.int64).reshape(-1, len(COUNTED))
        return DocumentLengths(np.array(self.lengths, np.int64), counts)

    def counted(self, documents: list[int]) -> list[int]:
        """What is counted of documents, together."""
        return [
            sum(self.counts[document][column] if self.counts else 0 for document in documents) for column in (0, 1)
        ]

    def pack(self, *, distinct: bool = True) -> PackedWindow:
        return pack_window(
            self.documents(),
            self.document_lengths(),
            self.row_length,
            self.strategy,
            max_documents=self.max_documents,
            shuffle_key=self.shuffle_key,
            distinct=distinct,
        )


@st.composite
def windows(draw: st.DrawFn, shuffle_keys: tuple = (None, SHUFFLE_KEY)) -> Window:
    row_length = draw(st.integers(1, 12))
    edges = st.sampled_from([-1, 0, row_length, row_length + 1])
    lengths = draw(st.lists(st.integers(0, 3 * row_length) | edges, max_size=25))
    strategy = draw(st.sampled_from(sorted(STRATEGIES)))
    numbers = st.tuples(st.integers(0, 9), st.integers(0, 9))
    counts = draw(st.none() | st.lists(numbers, min_size=len(lengths), max_size=len(lengths)))
    most = draw(st.none() | st.integers(1, 6))
    return Window(lengths, row_length, strategy, most, draw(st.sampled_from(shuffle_keys)), counts)


def spans_by_row(plan: RowPlan) -> list[list[tuple[int, int, int]]]:
    """Document number, offset and length of every span, row by row."""
    numbers = (plan.record - 5) // 1000
    flat = list(zip(numbers.tolist(), plan.offset.tolist(), plan.length.tolist(), strict=True))
    return [flat[plan.rows[row] : plan.rows[row + 1]] for row in range(len(plan))]


@given(windows())
def test_every_token_of_every_document_occurs_exactly_once(window: Window) -> None:
    occurring = [
        (document, token)
        for row in spans_by_row(window.pack().plan)
        for document, offset, length in row
        for token in range(offset, offset + length)
    ]
    assert sorted(occurring) == [(number, token) for number, n in enumerate(window.lengths) for token in range(n)]


@given(windows())
def test_rows_hold_at_least_one_token_and_at_most_their_length(window: Window) -> None:
    for row in spans_by_row(window.pack().plan):
        assert all(length >= 1 for *_, length in row)
        assert 1 <= sum(length for *_, length in row) <= window.row_length
        assert len(row) <= (window.max_documents or len(row))


@given(windows())
def test_spans_name_the_document_they_come_from(window: Window) -> None:
    plan, documents = window.pack().plan, window.documents()
    numbers = (plan.record - 5) // 1000
    assert np.array_equal(plan.record, documents.record[numbers])
    assert np.array_equal(plan.reader, documents.reader[numbers])
    assert np.array_equal(plan.document_length, window.document_lengths().tokens[numbers])


@given(windows())
def test_no_row_has_an_owner_yet(window: Window) -> None:
    assert window.pack().plan.owner is None


@given(windows(shuffle_keys=(None,)))
def test_rows_and_their_spans_stand_in_the_order_of_the_documents(window: Window) -> None:
    rows = spans_by_row(window.pack().plan)
    assert rows == sorted(sorted(row) for row in rows)


@given(windows(shuffle_keys=(None,)))
def test_the_strategy_decides_which_spans_share_a_row(window: Window) -> None:
    lengths = np.array([max(n, 0) for n in window.lengths], np.int64)
    pieces = STRATEGIES[window.strategy](lengths, window.row_length, None, window.max_documents)
    together: dict[int, list[tuple[int, int, int]]] = {}
    columns = (pieces.row, pieces.document, pieces.offset, pieces.length)
    for row, *piece in zip(*(column.tolist() for column in columns), strict=True):
        together.setdefault(row, []).append(tuple(piece))
    assert spans_by_row(window.pack().plan) == sorted(together.values())


@given(windows(shuffle_keys=(SHUFFLE_KEY,)))
def test_shuffled_rows_are_the_same_rows_in_another_order(window: Window) -> None:
    kept = Window(window.lengths, window.row_length, window.strategy, window.max_documents)
    assert sorted(spans_by_row(window.pack().plan)) == spans_by_row(kept.pack().plan)


def test_the_key_decides_the_order_of_shuffled_rows() -> None:
    orders = {
        tuple(Window([4] * 20, 4, "first_fit", None, (7, "web", number)).pack().plan.record.tolist())
        for number in range(30)
    }
    assert len(orders) == 30
    again = [Window([4] * 20, 4, "first_fit", None, SHUFFLE_KEY).pack().plan.record for _ in range(2)]
    assert np.array_equal(*again)


@given(windows())
def test_what_the_rows_before_a_row_deliver_is_counted_by_reader(window: Window) -> None:
    packed = window.pack()
    rows = spans_by_row(packed.plan)
    for row in range(len(rows) + 1):
        for reader in range(4):
            before = [span for spans in rows[:row] for span in spans if span[0] % 3 == reader]
            begun = [document for document, offset, _ in before if offset == 0]
            tokens = sum(length for *_, length in before)
            of_reader = window.lengths[reader::3] if reader < 3 else []
            dropped = of_reader.count(-1) if row == len(rows) else 0
            expected = (len(begun), tokens, *window.counted(begun), dropped)
            assert packed.delivered(row, reader) == expected


@given(windows())
def test_no_token_goes_missing_uncounted(window: Window) -> None:
    packed = window.pack()
    delivered = [packed.delivered(len(packed.plan), reader) for reader in range(3)]
    documents, tokens, *counted, dropped = map(sum, zip(*delivered, strict=True))
    assert documents == sum(tokens > 0 for tokens in window.lengths)
    filling = [number for number, length in enumerate(window.lengths) if length > 0]
    assert tokens == sum(window.lengths[number] for number in filling)
    assert counted == window.counted(filling)
    assert dropped == window.lengths.count(-1)
    assert packed.size == len(window.lengths)


@given(windows())
def test_split_counts_the_documents_in_more_than_one_row(window: Window) -> None:
    packed = window.pack()
    rows_with: dict[int, set[int]] = {}
    for number, row in enumerate(spans_by_row(packed.plan)):
        for document, *_ in row:
            rows_with.setdefault(document, set()).add(number)
    assert packed.split == sum(len(rows) > 1 for rows in rows_with.values())


@pytest.mark.parametrize("strategy", sorted(STRATEGIES))
@pytest.mark.parametrize("lengths", [[], [0], [0, 0, 0], [-1, 0, -1]])
@pytest.mark.parametrize("shuffle_key", [None, SHUFFLE_KEY])
def test_a_window_without_tokens_has_no_rows(strategy: str, lengths: list[int], shuffle_key: tuple | None) -> None:
    packed = Window(lengths, 4, strategy, None, shuffle_key).pack()
    assert len(packed.plan) == packed.split == len(packed.counts) == 0
    assert packed.size == len(lengths)
    assert packed.delivered(0, 0) == (0, 0, 0, 0, lengths[:1].count(-1))


def test_every_strategy_has_a_version() -> None:
    assert VERSIONS.keys() == STRATEGIES.keys()


@dataclass(frozen=True)
class WindowWithCopies:
    """A window of few documents that occur often: the lengths of the documents, and which of them occur."""

    lengths: list[int]
    occurring: list[int]
    row_length: int
    strategy: str
    max_documents: int | None
    shuffle_key: tuple[int | str, ...] | None

    def pack(self, *, distinct: bool = False) -> PackedWindow:
        numbers = np.array(self.occurring, np.int64)
        return pack_window(
            DocumentPlan(numbers % 2, numbers // 2),
            DocumentLengths(np.array(self.lengths, np.int64)[numbers]),
            self.row_length,
            self.strategy,
            max_documents=self.max_documents,
            shuffle_key=self.shuffle_key,
            distinct=distinct,
        )

    def rows(self) -> list[list[tuple[int, int, int]]]:
        """Document, offset and length of every span, row by row."""
        plan = self.pack().plan
        numbers = plan.record * 2 + plan.reader
        flat = list(zip(numbers.tolist(), plan.offset.tolist(), plan.length.tolist(), strict=True))
        return [flat[plan.rows[row] : plan.rows[row + 1]] for row in range(len(plan))]

    def kept(self, document: int) -> int:
        """Tokens of a document that are packed."""
        return max(self.lengths[document], 0)


@st.composite
def windows_with_copies(
    draw: st.DrawFn, strategies: tuple[str, ...] = tuple(sorted(STRATEGIES)), *, bounded: bool = True
) -> WindowWithCopies:
    row_length = draw(st.integers(1, 12))
    lengths = draw(st.lists(st.integers(-1, 3 * row_length) | st.integers(1, 3), min_size=1, max_size=8))
    return WindowWithCopies(
        lengths,
        draw(st.lists(st.integers(0, len(lengths) - 1), max_size=40)),
        row_length,
        draw(st.sampled_from(strategies)),
        draw(st.none() | st.integers(1, 6)) if bounded else None,
        draw(st.sampled_from([None, SHUFFLE_KEY])),
    )


@given(windows_with_copies())
def test_a_row_holds_a_document_twice_only_where_all_different_documents_fit_a_row(window: WindowWithCopies) -> None:
    different = sum(window.kept(document) for document in set(window.occurring))
    for row in window.rows():
        documents = [document for document, *_ in row]
        assert len(documents) == len(set(documents)) or different <= window.row_length


@given(windows_with_copies())
def test_every_token_of_every_copy_occurs_exactly_once(window: WindowWithCopies) -> None:
    rows = window.rows()
    assert all(1 <= sum(length for *_, length in row) <= window.row_length for row in rows)
    assert all(len(row) <= (window.max_documents or len(row)) for row in rows)
    found = Counter(
        (document, token) for row in rows for document, offset, n in row for token in range(offset, offset + n)
    )
    assert found == Counter(
        (document, token) for document in window.occurring for token in range(window.kept(document))
    )


@given(windows_with_copies(("best_fit", "first_fit"), bounded=False))
def test_rows_at_most_half_full_are_one_or_as_many_as_copies(window: WindowWithCopies) -> None:
    half_full = [row for row in window.rows() if 2 * sum(length for *_, length in row) <= window.row_length]
    different = sum(window.kept(document) for document in set(window.occurring))
    together = different <= window.row_length
    assert len(half_full) <= (1 if together else max(Counter(window.occurring).values()))


@given(windows_with_copies(("concat_split",), bounded=False))
def test_rows_that_are_not_full_are_one_or_as_many_as_copies(window: WindowWithCopies) -> None:
    not_full = [row for row in window.rows() if sum(length for *_, length in row) < window.row_length]
    different = sum(window.kept(document) for document in set(window.occurring))
    together = different <= window.row_length
    assert len(not_full) <= (1 if together else max(Counter(window.occurring).values()))


@given(windows())
def test_looking_for_copies_changes_nothing_where_there_are_none(window: Window) -> None:
    assert spans_by_row(window.pack(distinct=False).plan) == spans_by_row(window.pack().plan)


@given(windows_with_copies())
def test_copies_are_looked_for_only_where_documents_may_repeat(window: WindowWithCopies) -> None:
    numbers = np.arange(len(window.occurring))
    expected = pack_window(
        DocumentPlan(numbers, numbers),
        DocumentLengths(np.array(window.lengths, np.int64)[np.array(window.occurring, np.int64)]),
        window.row_length,
        window.strategy,
        max_documents=window.max_documents,
        shuffle_key=window.shuffle_key,
    )
    found = window.pack(distinct=True)
    assert np.array_equal(found.plan.rows, expected.plan.rows)
    assert np.array_equal(found.plan.length, expected.plan.length)


def test_every_strategy_is_compared_with_a_naive_version() -> None:
    naive = {"one_a_row" if name == "pad" else name for name in PACKERS}

    assert naive == STRATEGIES.keys(), (
        f"PACKERS of property_tests/testing/oracle/packing.py lacks {sorted(STRATEGIES.keys() - naive)}: write a "
        "slow and obvious version of each there. The promises are then tried with it"
    )
    assert {*get_args(StrategyName)} == STRATEGIES.keys() - {"one_a_row"}, (
        "StrategyName and STRATEGIES of packing/window.py name different strategies"
    )
