"""Documents that are read to be measured are read once, as long as there is room to keep them.

Here document r has r tokens of 4 bytes, and 40 bytes go to its place in the cache. So it takes 40 + 4 * r bytes.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from threading import Event, Thread

import numpy as np
import pytest

from resumable_data.arrays import Int64Array, Ragged
from resumable_data.errors import ClosedError
from resumable_data.packing.plan import DocumentLengths
from resumable_data.reading.document_cache import CachedReader, DocumentCache
from resumable_data.reading.documents import Documents

LONG = 60.0
PLENTY = 10**9


class Numbered:
    """Document r has r tokens, and lost r // 2 before; records that end in 7 are dropped. Notes each call."""

    def __init__(self) -> None:
        self.calls: list[list[int]] = []

    def read(self, indices: Int64Array) -> Documents:
        return Documents([f"record {index}" for index in indices.tolist()])

    def read_tokens(self, indices: Int64Array) -> Documents:
        self.calls.append(indices.tolist())
        dropped = indices % 10 == 7
        records = [[] if drop else [index] * index for index, drop in zip(indices.tolist(), dropped, strict=True)]
        return Documents(Ragged.from_records(records), dropped, truncated=indices // 2)

    def measure(self, indices: Int64Array) -> DocumentLengths:
        raise AssertionError("they are not known")

    def name_of(self, index: int) -> str:
        return f"record {index}"


def bytes_of(*records: int) -> int:
    return sum(40 + 4 * record for record in records)


def cached(most_bytes: int = PLENTY) -> tuple[CachedReader, Numbered, DocumentCache]:
    source, cache = Numbered(), DocumentCache(most_bytes)
    return cache.add(source, "web"), source, cache


def plan(reader: CachedReader, *groups: Sequence[int]) -> None:
    """Measures the documents of some groups, one after the other."""
    for records in groups:
        reader.measure(np.array(records, np.int64))
        reader.expect()


def deliver(reader: CachedReader, *records: int) -> None:
    """Reads tokens, which have to be those of the documents."""
    found = reader.read_tokens(np.array(records, np.int64))
    assert [tokens.tolist() for tokens in found] == [[] if r % 10 == 7 else [r] * r for r in records]


def test_lengths_are_those_of_the_documents_and_minus_one_where_dropped() -> None:
    reader, _, _ = cached()

    assert reader.measure(np.array([3, 17, 0, 3])).tokens.tolist() == [3, -1, 0, 3]
    deliver(reader, 2, 7, 3)


def test_what_documents_lost_is_told_and_nothing_of_dropped_ones() -> None:
    reader, source, _ = cached()
    for _ in range(2):
        found = reader.measure(np.array([3, 17, 0, 8, 3])).counts
        assert found is not None
        assert found[:, 0].tolist() == [1, 0, 0, 4, 1]

    assert source.calls == [[0, 3, 8, 17]]


def test_nothing_may_be_measured() -> None:
    reader, _, cache = cached()

    assert len(reader.measure(np.zeros(0, np.int64))) == 0
    assert cache.bytes == 0


def test_what_is_no_token_comes_from_the_reader_itself() -> None:
    reader, _, _ = cached()

    assert list(reader.read(np.array([4, 1]))) == ["record 4", "record 1"]
    assert reader.name_of(4) == "record 4"


def test_each_document_is_read_once_in_as_few_calls_as_possible() -> None:
    reader, source, _ = cached()
    plan(reader, [5, 1, 5, 9])
    deliver(reader, 9, 5, 4)
    deliver(reader, 1, 9)

    assert source.calls == [[1, 5, 9], [4]]


def test_a_document_that_was_not_measured_is_not_kept() -> None:
    reader, source, cache = cached()
    deliver(reader, 4)
    deliver(reader, 4)

    assert source.calls == [[4], [4]]
    assert cache.bytes == 0


def test_many_documents_are_read_some_at_a_time() -> None:
    reader, source, _ = cached()
    lengths = reader.measure(10 * np.arange(5000) % 50)  # record 0, 10, …, 40, over and over
    assert lengths.tokens.tolist() == [0, 10, 20, 30, 40] * 1000
    assert source.calls == [[0, 10, 20, 30, 40]]

    class Short(Numbered):
        def read_tokens(self, indices: Int64Array) -> Documents:
            self.calls.append(indices.tolist())
            return Documents(Ragged.from_records([[index] for index in indices.tolist()]))

    short = Short()
    DocumentCache(PLENTY).add(short, "web").measure(np.arange(5000))
    assert [len(call) for call in short.calls] == [2048, 2048, 904]


def test_what_is_kept_is_counted_in_bytes_over_all_readers() -> None:
    cache = DocumentCache(PLENTY)
    web, code = cache.add(Numbered(), "web"), cache.add(Numbered(), "code")
    plan(web, [5, 8])
    plan(code, [10])

    assert cache.bytes == bytes_of(5, 8, 10)
    cache.close()
    assert cache.bytes == 0
    with pytest.raises(ClosedError, match="its iterator is closed"):
        web.measure(np.array([5]))


def test_fields_and_dropped_documents_count_too() -> None:
    class Masked(Numbered):
        def read_tokens(self, indices: Int64Array) -> Documents:
            tokens = Ragged.from_records([[0] * 10, [0] * 2])
            mask = np.zeros(12, np.int8)
            return Documents(Ragged(tokens.values, tokens.starts, tokens.lengths, fields={"mask": mask}))

    cache = DocumentCache(PLENTY)
    cache.add(Masked(), "web").measure(np.array([1, 2]))
    assert cache.bytes == 2 * 40 + 12 * (4 + 1)

    reader, _, cache = cached()
    reader.measure(np.array([17]))
    assert cache.bytes == 40


def test_parts_are_dropped_once_a_later_group_is_delivered() -> None:
    reader, source, cache = cached()
    plan(reader, [1, 2], [3, 4], [5, 6])
    deliver(reader, 2, 1)
    assert cache.bytes == bytes_of(1, 2, 3, 4, 5, 6)

    deliver(reader, 2, 3)  # a batch over the border of two groups
    assert cache.bytes == bytes_of(3, 4, 5, 6)
    deliver(reader, 4)
    deliver(reader, 6)
    assert cache.bytes == bytes_of(5, 6)
    assert source.calls == [[1, 2], [3, 4], [5, 6]]


def test_takes_of_one_group_are_kept_until_it_is_delivered() -> None:
    reader, source, cache = cached()
    reader.measure(np.array([1, 2]))
    plan(reader, [3, 4], [5])
    deliver(reader, 4)
    deliver(reader, 1)
    assert cache.bytes == bytes_of(1, 2, 3, 4, 5)

    deliver(reader, 5)
    assert cache.bytes == bytes_of(5)
    assert source.calls == [[1, 2], [3, 4], [5]]


def test_a_document_in_two_groups_is_read_and_kept_once() -> None:
    reader, source, cache = cached()
    plan(reader, [1, 2, 3], [3, 4], [5])
    assert source.calls == [[1, 2, 3], [4], [5]]
    assert cache.bytes == bytes_of(1, 2, 3, 4, 5)

    deliver(reader, 1, 3, 2)
    deliver(reader, 4)  # the second group: document 3 is still to come
    assert cache.bytes == bytes_of(3, 4, 5)
    deliver(reader, 3)
    deliver(reader, 5)
    assert cache.bytes == bytes_of(5)
    assert source.calls == [[1, 2, 3], [4], [5]]


def test_a_small_set_is_kept_once_however_many_epochs_are_delivered() -> None:
    reader, source, cache = cached()
    for _ in range(20):
        plan(reader, [4, 2, 3, 1])
        deliver(reader, 1, 2, 3, 4)

    assert source.calls == [[1, 2, 3, 4]]
    assert cache.bytes == bytes_of(1, 2, 3, 4)


def test_what_does_not_fit_is_read_again() -> None:
    reader, source, cache = cached(most_bytes=bytes_of(1, 2, 3) + 20)
    plan(reader, [4, 3, 2, 1])
    assert cache.bytes == bytes_of(1, 2, 3)

    deliver(reader, 1, 2, 3, 4)
    assert source.calls == [[1, 2, 3, 4], [4]]


def test_a_document_longer_than_all_room_is_delivered() -> None:
    reader, source, cache = cached(most_bytes=10)
    assert reader.measure(np.array([1000])).tokens.tolist() == [1000]
    deliver(reader, 1000)

    assert source.calls == [[1000], [1000]]
    assert cache.bytes == 0


def test_nothing_is_kept_where_there_is_no_room_at_all() -> None:
    reader, source, cache = cached(most_bytes=0)
    plan(reader, [7], [8])
    deliver(reader, 7, 8)

    assert cache.bytes == 0
    assert source.calls == [[7], [8], [7, 8]]


def test_the_group_that_is_delivered_last_is_thrown_out_first() -> None:
    reader, source, cache = cached(most_bytes=bytes_of(1, 2, 5))
    plan(reader, [1, 2], [5, 6])
    assert cache.bytes == bytes_of(1, 2, 5)

    deliver(reader, 1, 2)
    deliver(reader, 5, 6)
    assert source.calls == [[1, 2], [5, 6], [6]]


def test_the_reader_that_is_farthest_ahead_gives_way() -> None:
    """Two groups of the web lie ahead, and then the first of the code is measured, which is delivered sooner."""
    cache = DocumentCache(most_bytes=bytes_of(1, 2, 3, 9))
    sources = Numbered(), Numbered()
    web, code = cache.add(sources[0], "web"), cache.add(sources[1], "code")
    plan(web, [1], [2], [3])
    plan(code, [9, 10])

    deliver(code, 9, 10)
    deliver(web, 1)
    deliver(web, 2)
    deliver(web, 3)
    assert sources[1].calls == [[9, 10]]
    assert sources[0].calls == [[1], [2], [3], [2], [3]]


def test_what_a_later_group_needs_stays_where_there_is_no_room_for_more() -> None:
    """Document 2 was read for group 0, and group 2 needs it still. The other reader keeps nothing."""
    cache = DocumentCache(most_bytes=bytes_of(2, 3))
    source = Numbered()
    _, web = cache.add(Numbered(), "code"), cache.add(source, "web")
    plan(web, [2], [3], [2])
    deliver(web, 2)
    deliver(web, 3)
    assert cache.bytes == bytes_of(2, 3)

    plan(web, [99])
    deliver(web, 3, 2, 99)
    assert source.calls == [[2], [3], [99], [99]]


def test_a_document_of_an_earlier_group_does_not_lead_back_there() -> None:
    """Group 2 of the web is one ahead, though document 2, which it needs too, was read for group 0.

    The second group of the code is one ahead as well. Of two readers the first gives way.
    """
    cache = DocumentCache(most_bytes=bytes_of(2, 3, 4, 9))
    sources = Numbered(), Numbered()
    code, web = cache.add(sources[0], "code"), cache.add(sources[1], "web")
    plan(web, [2], [3], [2, 4])
    deliver(web, 2)
    deliver(web, 3)
    deliver(web, 2)
    plan(code, [9], [10])
    deliver(web, 4)
    deliver(code, 9)
    deliver(code, 10)

    assert sources[0].calls == [[9], [10], [10]]
    assert sources[1].calls == [[2], [3], [4]]


def test_it_is_said_once_by_component_with_numbers(caplog: pytest.LogCaptureFixture) -> None:
    megabyte = 2**18  # tokens
    cache = DocumentCache(most_bytes=3 * 2**20)
    web = cache.add(Numbered(), "web")
    with caplog.at_level(logging.WARNING, "resumable_data"):
        plan(web, [megabyte, megabyte + 1])
        assert not caplog.messages
        plan(web, [2 * megabyte, megabyte + 2], [3 * megabyte])

    (message,) = caplog.messages
    assert "component 'web': documents are read twice" in message
    assert "the 2 that are planned together take 3 MB" in message
    assert "all components together may keep 3 MB" in message
    assert "Raise kept_bytes=" in message


def test_one_thread_measures_while_another_delivers() -> None:
    """What the next group adds while this one is delivered is not lost."""
    begun, go_on = Event(), Event()

    class Slow(Numbered):
        def read_tokens(self, indices: Int64Array) -> Documents:
            if 5 in indices:
                begun.set()
                assert go_on.wait(LONG)
            return super().read_tokens(indices)

    source, cache = Slow(), DocumentCache(PLENTY)
    reader = cache.add(source, "web")
    plan(reader, [1, 2], [3])
    ahead = Thread(target=plan, args=(reader, [5, 6]))
    ahead.start()
    assert begun.wait(LONG)
    deliver(reader, 1, 2)
    deliver(reader, 3)
    go_on.set()
    ahead.join(LONG)
    deliver(reader, 5, 6)

    assert source.calls == [[1, 2], [3], [5, 6]]
