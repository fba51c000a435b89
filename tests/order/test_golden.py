"""Golden digests: the order that a release gives is the order that every later release gives.

A digest that changes is a change of the order for everyone who has a run under way. Give the algorithm a new
version, keep the old one, and add a digest; never edit one. To see what the code gives, run this file.
"""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import fields
from functools import partial

import numpy as np
import pytest
from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__

from resumable_data.arrays import Int64Array
from resumable_data.order.keyed_hash import derive_key, mix64
from resumable_data.order.permutation import permutation, permute_blocks
from resumable_data.order.sequence import NO_SHARD, deal_rows, fill_slots
from resumable_data.order.shards import default_shards
from resumable_data.order.windows import EpochWindows, cut_evenly
from resumable_data.packing.group import deal_windows
from resumable_data.packing.plan import DocumentLengths, DocumentPlan, RowPlan
from resumable_data.packing.window import STRATEGIES, pack_window
from resumable_data.sources.synthetic import SyntheticSource

GOLDEN = {
    "derive_key": "40eb5abcddf2fbaa4fc0ce18390aa38c",
    "mix64": "ce92cc57689e8edce95ecedc7cb47f44",
    "permutation of 1": "3f40eed4b46452bfd74ec357d8183834",
    "permutation of 2": "ff8695e996c3af3efe720220ea16438d",
    "permutation of 3": "3b0773c23f6d5b7cc9767bc25e1596c2",
    "permutation of 10": "afeaa06a73b55b0bf60536f99efe03ad",
    "permutation of 100": "80eef16ebf463b11d253f7958afe93b2",
    "permutation of 4096": "5e03c007e43b1fae8a47a8f702d13ce1",
    "permutation of 4097": "ced1297a37a7583276ae4f1b8b383179",
    "permutation of 65537": "163f9c72096995fceceb4ccaaad67ed7",
    "permutation of 1000000": "000f423e4103efeb6de31a572e58eb30",
    "permutation of 1000000000": "57759c3f07edbfe2811c9249ddb92611",
    "permutation of 1099511627776": "f7c31d454e724fc506674609eae4210e",
    "permutation of 4611686018427387903": "b731e992c5b51c351172124703990489",
    "permutation of 4611686018427387904": "fe78ae1b00104fec1d0bf9a88c8843b5",
    "permutation of 500 in blocks of 1": "eee330836439312deab156cdbcb662c3",
    "permutation of 10 in blocks of 4": "b55a9b17f07cbef12dd9f2c23e49291d",
    "permutation of 3000 in blocks of 64": "ebeb7d73b38cc29612ef739b21d3f996",
    "permutation of 999 in blocks of 1000": "9c23ca7904c3ba919e759d51d3bf3924",
    "permutation of 1000000000 in blocks of 4096": "a9e84297417c3fa61a069a4dd8746746",
    "permutation of 4611686018427387904 in blocks of 2147483648": "3e5bf646af282154284fd9b48ad83068",
    "best_fit": "0e2ccda7ca92fb48b732cb92d84f5055",
    "concat_split": "853dd7e49b5453198c4e472972f7b295",
    "first_fit": "b93acec03aed4f4892815cd82ba8af6a",
    "one_a_row": "aefe49c862d917a1b53ab690d2edc3b7",
    "best_fit with copies": "95dec2eccb91dc779cbb8f0550d800d8",
    "concat_split with copies": "798937dcce8d886cd5bb2753c7480394",
    "first_fit with copies": "a58bcdeb09dc74d6af718f283a27c930",
    "one_a_row with copies": "b9a6cc719b27d4c8a32491b945ba3ad3",
    "best_fit with few a row": "1ef2dd0c3c5bea648ba3b53583d87b2c",
    "concat_split with few a row": "58b5053d8a52f92e7f5601f4998b11f7",
    "first_fit with few a row": "df66a0673a7e1205f80939e2c584d956",
    "one_a_row with few a row": "2220d3c7c844f6dfbea61a6a269ab764",
    "window of best_fit": "9b05919b8e46afbd033e0cb0818199b8",
    "window of concat_split": "6fc3eb58af89f30e1a8241f55267630c",
    "window of first_fit": "b393ac390f6ff6c4edc0b35b7e5da0ef",
    "window of one_a_row": "2d30896b12c27511741a143d24eabc6d",
    "group of best_fit": "9d5b353898901aa7c412f1c63e51975c",
    "group of concat_split": "6fa7b859189ae51ff5f10ccaf2ea85da",
    "group of first_fit": "854fca040372a8f37fef272314a2e0f8",
    "group of one_a_row": "5577c30074b52b90ac9c0f86c1e5126d",
    "windows": "a955de435c65d9211d4ac339dfa6436b",
    "sequences": "2742767dfa922f2aae68d61a243bb445",
    "slots": "1adda3c74fa8c4843d152b43824c7f73",
    "shards of batches": "9d49e6a37d34276ac202d13e0f21197f",
    "synthetic source": "d73ef3ade747b9ecbeeaf95a0c436780",
}

CHANGED = """the order has changed: runs that resume under this release would see other data. If that is a mistake,
mend it. If it is meant, leave the old algorithm as it is and executable, and add the new one with a
version of its own."""


def digest_of(arrays: Iterable[Int64Array]) -> str:
    """The first half of the SHA-256 of integer arrays, each with its length."""
    state = hashlib.sha256()
    for array in arrays:
        assert array.dtype in (np.int64, np.int32)
        state.update(len(array).to_bytes(8, "little") + array.astype("<i8").tobytes())
    return state.hexdigest()[:32]


def keys() -> str:
    """Words of keys with every kind of part."""
    words = [
        *derive_key("shuffle", 7, "web", 0, words=9),
        *derive_key("shuffle.block", -1, 2**70, "", "é/世界", words=3),
        *derive_key("pack.rows"),
    ]
    return hashlib.sha256(json.dumps(words).encode()).hexdigest()[:32]


def hashes() -> str:
    """The mixer, on neighbours and on words with all bits."""
    words = np.arange(100_000, dtype=np.uint64)
    return digest_of([mix64(words).view(np.int64), mix64(~mix64(words)).view(np.int64)])


def permuted(size: int) -> str:
    """Up to 20,000 values at each end and their inverses, of three epochs."""
    ends = np.unique(np.concatenate([np.arange(min(size, 20_000)), size - 1 - np.arange(min(size, 20_000))]))
    orders = [permutation(size, "shuffle", 7, "web", epoch) for epoch in range(3)]
    return digest_of(array for order in orders for array in (order(ends), order.inverse(ends)))


def permuted_in_blocks(block: int, size: int) -> str:
    """A stretch at each end, of two epochs."""
    ends = np.unique(np.concatenate([np.arange(min(size, 3000)), size - 1 - np.arange(min(size, 3000))]))
    return digest_of(permute_blocks(block, size, ends, 7, "web", epoch) for epoch in range(2))


def lengths() -> Int64Array:
    """Lengths of 3,000 documents: short ones, long ones, some without tokens and some of just a row."""
    hashed = (mix64(np.arange(3000, dtype=np.uint64)) >> np.uint64(33)).astype(np.int64)
    drawn = np.where(hashed % 10 < 8, hashed % 700, hashed % 5000)
    drawn[::100], drawn[1::100] = 0, 512
    return drawn


def packed(strategy: str) -> str:
    """What a strategy makes of the documents, at two row lengths."""
    pieces = [STRATEGIES[strategy](lengths(), row_length, None) for row_length in (512, 2048)]
    return digest_of(getattr(each, name) for each in pieces for name in ("document", "offset", "length", "row"))


def packed_copies(strategy: str) -> str:
    """What a strategy makes of a window in which every third document is one of forty."""
    numbers = np.arange(3000)
    same = np.where(numbers % 3 == 0, numbers % 120, numbers)
    pieces = [STRATEGIES[strategy](lengths()[same], row_length, same) for row_length in (512, 2048)]
    return digest_of(getattr(each, name) for each in pieces for name in ("document", "offset", "length", "row"))


def packed_with_few(strategy: str) -> str:
    """What a strategy makes of a window whose rows have few documents, with copies and without."""
    same = np.where(np.arange(3000) % 3 == 0, np.arange(3000) % 120, np.arange(3000))
    pieces = [
        STRATEGIES[strategy](lengths() if copies is None else lengths()[copies], 2048, copies, most)
        for copies in (None, same)
        for most in (1, 3, 5)
    ]
    return digest_of(getattr(each, name) for each in pieces for name in ("document", "offset", "length", "row"))


def packed_window(strategy: str) -> str:
    """The finished rows: kept and shuffled, of whole documents and of those that were cut to a row."""
    documents = DocumentPlan(np.arange(3000) % 3, np.arange(3000) * 7 % 3000)
    rows = [
        pack_window(documents, DocumentLengths(tokens), 512, strategy, shuffle_key=key).plan
        for tokens in (lengths(), np.minimum(lengths(), 512))
        for key in (None, (7, "web", 3))
    ]
    return digest_of(columns(rows))


def columns(plans: Iterable[RowPlan]) -> Iterable[Int64Array]:
    """All arrays of some plans."""
    found = (getattr(plan, field.name) for plan in plans for field in fields(RowPlan))
    return (column for column in found if column is not None)


def windows() -> str:
    """Where windows begin, and the shards that measure them, at the borders of their rules."""
    found: list[Int64Array] = []
    for epoch_size in (1, 2, 31, 1000, 4096, 100_003):
        for shards in (1, 5, 48, 64):
            epochs = [EpochWindows(epoch_size, 16, shards, first=first) for first in (True, False)]
            takes = [
                epoch.take(window)
                for epoch in epochs
                for window in range(min(epoch.count, 10_000))
                if epoch.begins_group(window)
            ]
            takes += [cut_evenly(min(epoch_size, 16 * shards), position, 16, shards) for position in (0, 7, 10**6)]
            found += [np.array(part, np.int64) for take in takes for part in (take.bounds, take.shards)]
    return digest_of(found)


def counts_of(shards: int) -> list[Int64Array]:
    """Rows of the lists of so many shards: about as many, very different numbers, and all in one list."""
    hashed = (mix64(np.arange(shards, dtype=np.uint64)) >> np.uint64(40)).astype(np.int64)
    one = np.where(np.arange(shards) == shards // 3, 1000, 0)
    return [60 + hashed % 9, hashed % 200 * (hashed % 3 == 0), one, np.zeros(shards, np.int64)]


def sequences() -> str:
    """The order of the rows of groups."""
    return digest_of(part for shards in SHARDS for counts in counts_of(shards) for part in deal_rows(counts))


def slots() -> str:
    """The slots of batches of 1 to 512 rows."""
    found: list[Int64Array] = []
    for shards in SHARDS:
        for rows in (1, 7, 48, 64, 512):
            hashed = (mix64(np.arange(rows, dtype=np.uint64)) >> np.uint64(40)).astype(np.int64)
            owners = [hashed % shards, hashed % shards // 2, np.where(hashed % 5 < 2, NO_SHARD, hashed % shards)]
            found += [fill_slots(owner, shards) for owner in owners]
    return digest_of(found)


def shards_of_batches() -> str:
    """How many shards pipelines have by default."""
    return digest_of([np.array([default_shards(size) for size in range(1, 5000)])])


def group(strategy: str) -> str:
    """The dealt rows of windows of several shards, some of which have none."""
    bounds = np.array([0, 700, 701, 1500, 1500, 2900, 3000])
    packed = [
        pack_window(
            DocumentPlan(np.zeros(stop - start, np.int64), np.arange(start, stop)),
            DocumentLengths(lengths()[start:stop]),
            512,
            strategy,
            shuffle_key=(7, "web", 0, window),
        )
        for window, (start, stop) in enumerate(zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True))
    ]
    dealt = [deal_windows(packed, range(6), 6), deal_windows(packed, [i * 64 // 6 for i in range(6)], 64)]
    return digest_of(columns(each.plan for each in dealt))


def synthetic() -> str:
    """Documents of the synthetic source, on which tests and simulations stand."""
    source = SyntheticSource(10**9, lengths=[0, 1, 7, 500], vocabulary=32_000, seed=3)
    indices = np.append(np.arange(1000), 10**9 - 1)
    return digest_of([source.lengths(indices), *source.read(indices)])


SHARDS = [1, 2, 3, 6, 33, 48, 64]
PERMUTED = [1, 2, 3, 10, 100, 4096, 4097, 65_537, 10**6, 10**9, 2**40, 2**62 - 1, 2**62]
IN_BLOCKS = [(1, 500), (4, 10), (64, 3000), (1000, 999), (4096, 10**9), (2**31, 2**62)]

ALGORITHMS: dict[str, Callable[[], str]] = {
    "derive_key": keys,
    "mix64": hashes,
    **{f"permutation of {size}": partial(permuted, size) for size in PERMUTED},
    **{
        f"permutation of {size} in blocks of {block}": partial(permuted_in_blocks, block, size)
        for block, size in IN_BLOCKS
    },
    **{strategy: partial(packed, strategy) for strategy in sorted(STRATEGIES)},
    **{f"{strategy} with copies": partial(packed_copies, strategy) for strategy in sorted(STRATEGIES)},
    **{f"{strategy} with few a row": partial(packed_with_few, strategy) for strategy in sorted(STRATEGIES)},
    **{f"window of {strategy}": partial(packed_window, strategy) for strategy in sorted(STRATEGIES)},
    **{f"group of {strategy}": partial(group, strategy) for strategy in sorted(STRATEGIES)},
    "windows": windows,
    "sequences": sequences,
    "slots": slots,
    "shards of batches": shards_of_batches,
    "synthetic source": synthetic,
}


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_order_is_that_of_every_release(algorithm: str) -> None:
    if algorithm in GOLDEN:  # else test_every_digest_belongs_to_an_algorithm says what is missing
        assert ALGORITHMS[algorithm]() == GOLDEN[algorithm], CHANGED


def test_every_digest_belongs_to_an_algorithm() -> None:
    missing = {name: algorithm() for name, algorithm in ALGORITHMS.items() if name not in GOLDEN}

    assert not missing, "GOLDEN above lacks what a new algorithm gives. Add:\n" + "".join(
        f'    "{name}": "{digest}",\n' for name, digest in missing.items()
    )
    assert not GOLDEN.keys() - ALGORITHMS.keys(), "an algorithm is gone with which runs under way have to resume"


def test_the_order_does_not_depend_on_the_processor() -> None:
    """The digests again, by a NumPy that may use only what all processors of the family have."""
    dispatched = [name for name in __cpu_dispatch__ if __cpu_features__[name]]
    if not dispatched:
        pytest.skip("NumPy has no faster code for this processor, which could be switched off")
    run = subprocess.run(
        [sys.executable, __file__],
        env={
            **os.environ,
            "NPY_DISABLE_CPU_FEATURES": " ".join(dispatched),
            "PYTHONPATH": os.pathsep.join(sys.path),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    printed = json.loads(run.stdout)
    assert printed["dispatched"] == []
    assert {name: printed["digests"][name] for name in GOLDEN} == GOLDEN


if __name__ == "__main__":
    found = {
        "dispatched": [name for name in __cpu_dispatch__ if __cpu_features__[name]],
        "digests": {name: algorithm() for name, algorithm in ALGORITHMS.items()},
    }
    print(json.dumps(found, indent=4))
