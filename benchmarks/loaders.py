"""Minibatches of an in-memory image-like data set: this library's light loaders, a plain loop, Grain, and PyTorch.

The job: samples are 64 x 64 x 3 bytes. A data set makes them float32, and flips them at random by index. A pass goes
over all of them, shuffled, in minibatches of 128. The contenders take turns, five times each, and the medians count.
Workers are started before the clock runs, except Grain's, which start with each pass. PyTorch takes part if it is
installed. Grain reads with 16 threads by default, which share one interpreter here, so it also runs without threads.

Prints a table, and a JSON line for each figure.
"""

from __future__ import annotations

import importlib.util
import json
import statistics
import time
from collections.abc import Callable, Iterable
from typing import Any

import grain.python as grain
import numpy as np
from absl import flags
from rich.console import Console
from rich.table import Table

from resumable_data.loaders import DataLoader, InMemoryDataLoader

SAMPLES, SIZE, TURNS = 12_800, 128, 5


class Images:
    """Samples that cost a little to make."""

    def __init__(self) -> None:
        self.pixels = np.random.default_rng(0).integers(0, 256, (SAMPLES, 64, 64, 3), np.uint8)

    def __len__(self) -> int:
        return SAMPLES

    def __getitem__(self, index: Any) -> dict[str, Any]:
        image = self.pixels[index].astype(np.float32) / 255
        return {"image": image[:, ::-1].copy() if index % 2 else image, "label": np.int32(index % 10)}


def plain_loop(images: Images) -> Iterable[Any]:
    """Loads in a plain loop, without a library."""
    order = np.random.default_rng(0).permutation(SAMPLES)
    for start in range(0, SAMPLES, SIZE):
        samples = [images[index] for index in order[start : start + SIZE]]
        yield {key: np.stack([sample[key] for sample in samples]) for key in samples[0]}


def grain_loader(images: Images, workers: int, threads: int | None = None) -> Callable[[], Iterable[Any]]:
    """Makes Grain's own DataLoader, with its own number of threads or another."""
    reading = None if threads is None else grain.ReadOptions(num_threads=threads)

    def one_pass() -> Iterable[Any]:
        sampler = grain.IndexSampler(SAMPLES, shuffle=True, seed=0, num_epochs=1)
        return grain.DataLoader(
            data_source=images,  # pyright: ignore[reportArgumentType]
            sampler=sampler,
            operations=[grain.Batch(SIZE)],
            worker_count=workers,
            read_options=reading,
        )

    return one_pass


def torch_loader(images: Images, workers: int) -> Callable[[], Iterable[Any]]:
    """Makes PyTorch's DataLoader, whose workers stay from pass to pass."""
    from torch.utils.data import DataLoader as TorchLoader  # pyright: ignore[reportMissingImports]

    loader: Any = TorchLoader(
        images,
        SIZE,
        shuffle=True,
        num_workers=workers,
        persistent_workers=workers > 0,  # pyright: ignore
    )
    return lambda: loader


def contenders() -> dict[str, Callable[[], Iterable[Any]]]:
    """Returns a function for one pass of each contender."""
    images = Images()
    here, workers = DataLoader[Any](images, SIZE), DataLoader[Any](images, SIZE, num_workers=2)
    ready = InMemoryDataLoader({"image": images.pixels, "label": np.arange(SAMPLES, dtype=np.int32)}, SIZE)
    found: dict[str, Callable[[], Iterable[Any]]] = {
        "plain loop": lambda: plain_loop(images),
        "DataLoader": lambda: here.minibatches(0),
        "DataLoader, 2 workers": lambda: workers.minibatches(0),
        "InMemoryDataLoader (bytes as they are)": lambda: ready.minibatches(0),
        "Grain's DataLoader, as it comes": grain_loader(images, 0),
        "Grain's DataLoader, no threads": grain_loader(images, 0, threads=0),
        "Grain's MapDataset": lambda: grain.MapDataset.source(images).shuffle(seed=0).batch(SIZE),  # pyright: ignore
        "Grain's DataLoader, 2 workers (with their start)": grain_loader(images, 2),
        "Grain's DataLoader, 2 workers, no threads (with their start)": grain_loader(images, 2, threads=0),
    }
    if importlib.util.find_spec("torch"):
        found["PyTorch's DataLoader"] = torch_loader(images, 0)
        found["PyTorch's DataLoader, 2 workers"] = torch_loader(images, 2)
    return found


def seconds(one_pass: Callable[[], Iterable[Any]]) -> float:
    """Measures the seconds of a pass."""
    begin = time.perf_counter()
    count = sum(len(batch["label"]) for batch in one_pass())
    assert count == SAMPLES
    return time.perf_counter() - begin


def main() -> None:
    """Measures all contenders."""
    flags.FLAGS.mark_as_parsed()  # Grain asks for the flags when it starts workers.
    found = contenders()
    for one_pass in found.values():
        next(iter(one_pass()))
    took: dict[str, list[float]] = {name: [] for name in found}
    for _ in range(TURNS):
        for name, one_pass in found.items():
            took[name].append(seconds(one_pass))
    medians = {name: statistics.median(times) for name, times in took.items()}
    table = Table("", "samples a second", "to the plain loop")
    for name, median in medians.items():
        ratio = medians["plain loop"] / median
        table.add_row(name, f"{SAMPLES / median:,.0f}", f"{ratio:.2f}x")
        print(json.dumps({"loader": name, "samples_per_second": round(SAMPLES / median), "to_plain_loop": ratio}))
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
