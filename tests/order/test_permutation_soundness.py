"""Is the order random enough to train on? Statistics at scale, and proof that they can say no.

Every statistic says by how many standard deviations a scheme departs from what a uniformly random
permutation would give. Keys are fixed, so that a result never changes; the same statistics are applied to
schemes that are known to be broken, which they have to reject.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable

import numpy as np
import pytest

from resumable_data.arrays import Int64Array
from resumable_data.order.permutation import MAX_SIZE, permutation

pytestmark = pytest.mark.one_python  # the golden digests hold every Python and NumPy to the same numbers

Order = Callable[[Int64Array], Int64Array]
Scheme = Callable[[int, int, str, int], Order]  # size, seed, component path, epoch

SIZES = [2**16, 100_003, 2**20 + 1, 10**9, MAX_SIZE]
SAMPLE, WINDOW, FEW_BINS, BINS = 2**17, 4096, 16, 64
SOUND, BROKEN = 5.0, 20.0


def library(size: int, seed: int, path: str, epoch: int) -> Order:
    return permutation(size, "shuffle", seed, path, epoch)


# The statistics.


def neighbours_correlate(scheme: Scheme, size: int) -> float:
    """Serial correlation of the images of positions 1, 2 and 64 apart."""
    images = sample(scheme, size)
    return worst(correlation_sigmas(images[:-lag], images[lag:]) for lag in (1, 2, 64))


def neighbours_share_bits(scheme: Scheme, size: int) -> float:
    """Agreement of each of the three lowest bits between neighbours' images."""
    images = sample(scheme, size)
    differing = images[1:] ^ images[:-1]
    return worst(proportion_sigmas(differing >> bit & 1) for bit in range(3))


def neighbours_depend(scheme: Scheme, size: int) -> float:
    """Chi-square of the pair (image, next image) over 16 x 16 equal cells."""
    images = sample(scheme, size)
    return pair_sigmas(images[:-1], images[1:], size)


def windows_are_lopsided(scheme: Scheme, size: int) -> float:
    """Chi-square of the ids in windows of 4,096 positions over 64 equal bins: neither clumped nor even."""
    starts = np.linspace(0, size - WINDOW, 16).astype(np.int64)
    order = scheme(size, 3, "web", 1)
    total = sum(
        chi_square(np.bincount(order(start + np.arange(WINDOW)) // bin_width(size, BINS), minlength=BINS))
        for start in starts
    )
    without_replacement = (size - WINDOW) / (size - 1)
    return chi_square_sigmas(total / without_replacement, len(starts) * (BINS - 1))


def fixed_points_are_rare_or_common(scheme: Scheme, size: int) -> float:
    """Number of fixed points over 1,500 keys against Poisson(1)."""
    found = [
        np.count_nonzero(scheme(size, seed, "web", 0)(np.arange(size)) == np.arange(size)) for seed in range(1500)
    ]
    observed = np.bincount(np.minimum(found, 4), minlength=5)
    expected = np.array([1, 1, 1 / 2, 1 / 6, math.e - 8 / 3]) / math.e * len(found)
    return chi_square_sigmas(((observed - expected) ** 2 / expected).sum(), 4)


def epochs_depend(scheme: Scheme, size: int) -> float:
    """Joint distribution of one position's image in one epoch and in the next, or under the next seed."""
    images = sample(scheme, size, seed=7, epoch=1)
    others = [
        sample(scheme, size, seed=7, epoch=2),
        sample(scheme, size, seed=8, epoch=1),
        sample(scheme, size, seed=8, epoch=0),
        sample(scheme, size, seed=6, epoch=2),
        sample(scheme, size, seed=7, epoch=1, path="code"),
    ]
    joint = worst(pair_sigmas(images, other, size) for other in others)
    correlation = worst(correlation_sigmas(images, other) for other in others)
    agreements = max(np.count_nonzero(images == other) for other in others)  # one each is expected at most
    return max(joint, correlation, (agreements - 1) / 2)


STATISTICS = [
    neighbours_correlate,
    neighbours_share_bits,
    neighbours_depend,
    windows_are_lopsided,
    epochs_depend,
]


def repeated_images(scheme: Scheme, size: int) -> int:
    """How many of half a million positions share their image with another."""
    positions = np.unique(np.random.default_rng(5).integers(0, size, 2**19))
    return len(positions) - len(np.unique(scheme(size, 3, "web", 1)(positions)))


# What they are made of.


def sample(scheme: Scheme, size: int, *, seed: int = 3, epoch: int = 1, path: str = "web") -> Int64Array:
    return scheme(size, seed, path, epoch)(np.arange(min(size, SAMPLE)))


def worst(sigmas: Iterable[float]) -> float:
    return max(map(abs, sigmas))


def bin_width(size: int, bins: int) -> int:
    return -(-size // bins)


def correlation_sigmas(first: Int64Array, second: Int64Array) -> float:
    correlation = np.corrcoef(first.astype(np.float64), second.astype(np.float64))[0, 1]
    return float(correlation) * math.sqrt(len(first))


def proportion_sigmas(bits: Int64Array) -> float:
    return (float(bits.mean()) - 0.5) * 2 * math.sqrt(len(bits))


def pair_sigmas(first: Int64Array, second: Int64Array, size: int) -> float:
    width = bin_width(size, FEW_BINS)
    table = np.bincount(first // width * FEW_BINS + second // width, minlength=FEW_BINS**2)
    # Where the sample is the whole set, the margins are fixed and take their degrees of freedom with them.
    whole = len(first) >= size - 1
    freedom = (FEW_BINS - 1) ** 2 if whole else FEW_BINS**2 - 1
    return chi_square_sigmas(chi_square(table), freedom)


def chi_square(counts: Int64Array) -> float:
    expected = counts.sum() / len(counts)
    return float(((counts - expected) ** 2 / expected).sum())


def chi_square_sigmas(value: float, freedom: int) -> float:
    """Wilson and Hilferty's normal approximation."""
    spread = 2 / (9 * freedom)
    return ((value / freedom) ** (1 / 3) - (1 - spread)) / math.sqrt(spread)


# Schemes that are known to be broken.


def masked_multiply_add(size: int, seed: int, path: str, epoch: int) -> Order:
    """A Feistel network whose rounds are masked multiply-adds, so that no high bit reaches a low one."""
    half = -(-(size - 1).bit_length() // 2)
    mask = np.int64((1 << half) - 1)
    drawn = np.random.default_rng([seed, epoch]).integers(0, 1 << half, (5, 2))

    def encrypt(values: Int64Array) -> Int64Array:
        left, right = values >> half, values & mask
        for factor, term in drawn:
            left, right = right, left ^ ((right * (factor | 1) + term) & mask)
        return left << half | right

    def order(positions: Int64Array) -> Int64Array:
        values = encrypt(positions)
        while (outside := values >= size).any():
            values[outside] = encrypt(values[outside])
        return values

    return order


def congruential(size: int, seed: int, path: str, epoch: int) -> Order:
    """The map ``(factor * position + term) mod size``."""
    factor, term = congruential_key(size, seed, epoch)
    return lambda positions: (factor * positions + term) % size


def congruential_in_floats(size: int, seed: int, path: str, epoch: int) -> Order:
    """The same, evaluated in float64, which rounds products beyond 2**53."""
    factor, term = congruential_key(size, seed, epoch)
    return lambda positions: ((float(factor) * positions + float(term)) % size).astype(np.int64)


def congruential_key(size: int, seed: int, epoch: int) -> tuple[int, int]:
    draw = np.random.default_rng([seed, epoch])
    while math.gcd(factor := int(draw.integers(size // 2, size)), size) != 1:
        pass
    return factor, int(draw.integers(0, size))


def seed_plus_epoch(size: int, seed: int, path: str, epoch: int) -> Order:
    """A sound permutation with a key in which seed 7, epoch 1 is seed 8, epoch 0."""
    return permutation(size, "shuffle", seed + epoch, path)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("statistic", STATISTICS)
def test_the_order_looks_random_at_every_scale(statistic: Callable[[Scheme, int], float], size: int) -> None:
    assert abs(statistic(library, size)) < SOUND


@pytest.mark.parametrize("size", [16, 100, 1000])
def test_fixed_points_are_as_many_as_chance_gives(size: int) -> None:
    assert abs(fixed_points_are_rare_or_common(library, size)) < SOUND


@pytest.mark.parametrize("size", [2**20, 200_000_000, 10**9, MAX_SIZE])
def test_no_image_occurs_twice_at_scale(size: int) -> None:
    assert repeated_images(library, size) == 0


@pytest.mark.parametrize(
    ("scheme", "statistic", "size"),
    [
        (masked_multiply_add, neighbours_share_bits, 2**20),
        (masked_multiply_add, neighbours_share_bits, 10**9),
        (congruential, neighbours_share_bits, 10**6),
        (congruential, neighbours_depend, 10**6),
        (congruential, neighbours_depend, 10**9),
        (congruential, windows_are_lopsided, 10**6),
        (congruential, fixed_points_are_rare_or_common, 1000),
        (congruential_in_floats, neighbours_depend, 200_000_000),
        (seed_plus_epoch, epochs_depend, 10**6),
        (seed_plus_epoch, epochs_depend, 10**9),
    ],
)
def test_schemes_known_to_be_broken_are_rejected(
    scheme: Scheme, statistic: Callable[[Scheme, int], float], size: int
) -> None:
    assert abs(statistic(scheme, size)) > BROKEN


def test_masked_multiply_add_is_broken_as_described() -> None:
    parity = masked_multiply_add(2**20, 3, "web", 1)(np.arange(2**20)) & 1
    assert np.count_nonzero(parity[1:] == parity[:-1]) > 0.999 * (2**20 - 1)


def test_a_congruential_map_in_floats_is_found_to_repeat_images() -> None:
    assert repeated_images(congruential, 200_000_000) == 0
    assert repeated_images(congruential_in_floats, 200_000_000) > 0


@pytest.mark.parametrize("size", [2, 5, 8, 10, 16, 31])
def test_every_record_is_equally_likely_at_every_position(size: int) -> None:
    n_keys = 1000
    counts = np.zeros((size, size), np.int64)  # counts: (positions, records)
    for seed in range(n_keys):
        counts[np.arange(size), library(size, seed, "web", 0)(np.arange(size))] += 1
    expected = n_keys / size
    total = float(((counts - expected) ** 2 / expected).sum()) * (size - 1) / size
    assert abs(chi_square_sigmas(total, (size - 1) ** 2)) < SOUND


@pytest.mark.parametrize("size", [3, 4, 9, 10, 16])
def test_every_pair_of_records_is_equally_likely_at_two_positions(size: int) -> None:
    n_keys, n_pairs = 4000, size * (size - 1)
    ends = np.array([0, size - 1])
    pairs = Counter(tuple(library(size, seed, "web", 0)(ends).tolist()) for seed in range(n_keys))
    counts = np.array([*pairs.values()] + [0] * (n_pairs - len(pairs)))
    assert abs(chi_square_sigmas(chi_square(counts), n_pairs - 1)) < SOUND


@pytest.mark.parametrize("size", [4, 10, 16, 64])
def test_even_and_odd_permutations_occur_equally_often_at_even_sizes(size: int) -> None:
    odd = np.array([is_odd(library(size, seed, "web", 0)(np.arange(size))) for seed in range(600)])
    assert abs(proportion_sigmas(odd.astype(np.int64))) < SOUND


@pytest.mark.parametrize("size", [3, 15, 17])
def test_even_and_odd_permutations_both_occur_at_odd_sizes(size: int) -> None:
    assert {is_odd(library(size, seed, "web", 0)(np.arange(size))) for seed in range(100)} == {False, True}


def is_odd(values: Int64Array) -> bool:
    remaining, transpositions = set(range(len(values))), 0
    while remaining:
        at = start = remaining.pop()
        while (at := int(values[at])) != start:
            remaining.discard(at)
            transpositions += 1
    return transpositions % 2 == 1


def test_all_orders_of_five_records_are_equally_likely():
    n_keys = 6000
    counts = {}
    for seed in range(n_keys):
        order = tuple(permutation(5, "shuffle", seed)(np.arange(5)).tolist())
        counts[order] = counts.get(order, 0) + 1
    expected = n_keys / 120
    chi_square = sum((count - expected) ** 2 / expected for count in counts.values()) + (120 - len(counts)) * expected
    assert chi_square < 119 + 5 * (2 * 119) ** 0.5
