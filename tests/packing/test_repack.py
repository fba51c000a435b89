"""What is left of a group, packed again.

A worked example. A row has 2 tokens. Documents of 5, 1 and 2 tokens fill rows [0:2], [2:4], [4:5 and document 1] and
[document 2]. The first row is delivered, then rows have 8 tokens. What is left of document 0, tokens 2 to 5, lies in
two spans next to each other, which become one part of 3 tokens. With the other two it fills one row of 6 tokens.
"""

from collections import Counter
from dataclasses import replace
from functools import partial

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from resumable_data.arrays import Int64Array
from resumable_data.packing.group import deal_windows
from resumable_data.packing.plan import DocumentLengths, DocumentPlan
from resumable_data.packing.repack import repack
from resumable_data.packing.window import DocumentParts, PackedWindow, pack_parts, pack_window


def group(
    lengths: list[list[int]], row_length: int, strategy: str, records: list[list[int]] | None = None
) -> PackedWindow:
    """Packs the documents of each shard, and deals them."""
    windows: list[PackedWindow] = []
    for shard, tokens in enumerate(lengths):
        named = np.arange(len(tokens)) + 100 * shard if records is None else np.array(records[shard], np.int64)
        counts = np.column_stack([np.array(tokens, np.int64) * 0 + 3, np.array(tokens, np.int64)])
        documents = DocumentPlan(np.zeros(len(tokens), np.int64), named)
        measured = DocumentLengths(np.array(tokens, np.int64), counts.reshape(len(tokens), 2))
        windows.append(
            pack_window(documents, measured, row_length, strategy, shuffle_key=(7, shard), distinct=records is None)
        )
    return deal_windows(windows, range(len(lengths)), len(lengths))


def packed_again(window: PackedWindow, row: int, row_length: int, strategy: str, shards: int) -> PackedWindow:
    def pack(shard: int, parts: DocumentParts) -> PackedWindow:
        return pack_parts(parts, row_length, strategy, shuffle_key=(8, shard))

    return repack(window, row, shards, {shard: shard for shard in range(shards)}, pack)


def tokens(window: PackedWindow) -> Counter[tuple[int, int]]:
    """Counts each token: record, and place in the document."""
    plan = window.plan
    return Counter(
        (record, offset + place)
        for record, offset, length in zip(
            plan.record.tolist(), plan.offset.tolist(), plan.length.tolist(), strict=True
        )
        for place in range(length)
    )


def row_lengths(window: PackedWindow) -> Int64Array:
    return np.add.reduceat(window.plan.length, window.plan.rows[:-1]) if len(window.plan) else np.zeros(0, np.int64)


strategies = st.sampled_from(["best_fit", "first_fit", "concat_split", "one_a_row"])
shards_of_lengths = st.lists(st.lists(st.integers(1, 20), max_size=8), min_size=1, max_size=4).filter(any)


@given(shards_of_lengths, strategies, st.integers(1, 9), st.integers(1, 30), st.data())
def test_no_token_is_lost_or_repeated(
    lengths: list[list[int]], strategy: str, before: int, after: int, data: st.DataObject
) -> None:
    window = group(lengths, before, strategy)
    row = data.draw(st.integers(0, len(window.plan) - 1))
    again = packed_again(window, row, after, strategy, len(lengths))

    assert tokens(again) == tokens(window) == Counter(dict.fromkeys(tokens(window), 1))
    assert again.plan.slice(0, row).digest() == window.plan.slice(0, row).digest()
    assert (row_lengths(again)[row:] <= after).all()
    assert again.counts.sum(axis=0).tolist() == window.counts.sum(axis=0).tolist()
    assert again.delivered(len(again.plan), 0) == window.delivered(len(window.plan), 0)


@given(shards_of_lengths, strategies, st.integers(1, 9), st.integers(1, 30), st.data())
def test_copies_of_a_document_keep_all_their_tokens(
    lengths: list[list[int]], strategy: str, before: int, after: int, data: st.DataObject
) -> None:
    known = data.draw(st.lists(st.integers(1, 20), min_size=3, max_size=3))
    records = [[data.draw(st.integers(0, 2)) for _ in own] for own in lengths]
    window = group([[known[record] for record in own] for own in records], before, strategy, records)
    row = data.draw(st.integers(0, len(window.plan) - 1))

    assert tokens(packed_again(window, row, after, strategy, len(lengths))) == tokens(window)


def test_parts_that_lie_next_to_each_other_become_one() -> None:
    window = pack_window(
        DocumentPlan(np.zeros(3, np.int64), np.arange(3)),
        DocumentLengths(np.array([5, 1, 2])),
        2,
        "first_fit",
        shuffle_key=None,
    )
    assert window.plan.offset.tolist() == [0, 2, 4, 0, 0]
    pack = partial(_pack, 8)
    again = repack(window, 1, 1, {0: 0}, pack).plan

    assert again.rows.tolist() == [0, 1, 4]
    assert again.offset.tolist() == [0, 2, 0, 0]
    assert again.length.tolist() == [2, 3, 1, 2]


def _pack(row_length: int, shard: int, parts: DocumentParts) -> PackedWindow:
    return pack_parts(parts, row_length, "first_fit", shuffle_key=None)


def test_every_row_knows_its_shard() -> None:
    window = group([[4] * 6, [4] * 2], 4, "best_fit")
    again = packed_again(window, 3, 2, "best_fit", 2)
    assert again.plan.owner is not None
    of_record = {record: record // 100 for record in again.plan.record.tolist()}

    owners = again.plan.owner[np.searchsorted(again.plan.rows, np.arange(len(again.plan.record)), "right") - 1]
    assert owners.tolist() == [of_record[record] for record in again.plan.record.tolist()]


@given(
    st.lists(
        st.lists(st.tuples(st.integers(0, 3), st.integers(1, 9)), min_size=1, max_size=12), min_size=1, max_size=2
    ),
    st.integers(1, 6),
    st.integers(1, 12),
    st.data(),
)
def test_known_epochs_of_copies_change_nothing(
    copies: list[list[tuple[int, int]]], before: int, after: int, data: st.DataObject
) -> None:
    """The answers know the epochs of documents, the iterator does not. Copies may be of different epochs."""
    length_of = {record: length for shard in copies for record, length in shard}
    lengths = [[length_of[record] for record, _ in shard] for shard in copies]
    packed = group(lengths, before, "concat_split", [[record for record, _ in shard] for shard in copies])
    epochs = np.array([data.draw(st.integers(0, 1)) for _ in packed.plan.record], np.int64)
    known = replace(packed, plan=replace(packed.plan, epoch=epochs))
    row = data.draw(st.integers(0, len(packed.plan) - 1))

    found, expected = (packed_again(one, row, after, "concat_split", len(copies)) for one in (known, packed))

    assert found.plan.digest() == expected.plan.digest()
