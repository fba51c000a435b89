"""The order of items in which one stretch of them gives a process its rows of every global batch."""

from __future__ import annotations

from resumable_data.errors import PipelineError
from resumable_data.interfaces.lmeval_pipeline.indexing import RearrangedDataset
from resumable_data.opaque import Indexable, Record


class MultihostSortedRemapDataset(RearrangedDataset):
    """Reorders a sorted data set for processes that each take one stretch of it.

    Process ``i`` of H takes items ``[i * n / H, (i + 1) * n / H)`` of n. If the items were sorted, process 0 would
    have all short ones, and each global batch would have short and long ones. In this order, the local batches of
    all processes together are the batches of the sorted data set:

    ====================  ===============  ===============
    items 1 to 8          process 0        process 1
    ====================  ===============  ===============
    as they are           [1 2] [3 4]      [5 6] [7 8]
    after this            [1 2] [5 6]      [3 4] [7 8]
    ====================  ===============  ===============

    Args:
        dataset: A sorted Grain data set, or an object with ``len`` and ``[index]``.
        global_batch_size: Items of a batch, over all processes.
        dataloader_host_count: The number of processes.

    Raises:
        PipelineError: The number of processes does not divide the batch, or the batch does not divide the data set.

    >>> import grain.python as grain
    >>> items = grain.MapDataset.source([1, 2, 3, 4, 5, 6, 7, 8])
    >>> ds = MultihostSortedRemapDataset(items, global_batch_size=4, dataloader_host_count=2)
    >>> list(ds)
    [1, 2, 5, 6, 3, 4, 7, 8]
    >>> [list(ds.slice(slice(0, 4)).batch(2)), list(ds.slice(slice(4, 8)).batch(2))]
    [[array([1, 2]), array([5, 6])], [array([3, 4]), array([7, 8])]]
    """

    def __init__(self, dataset: Indexable, global_batch_size: int, dataloader_host_count: int) -> None:
        super().__init__(dataset)
        self.global_batch_size = global_batch_size
        self.dataloader_host_count = dataloader_host_count
        self._local = local_batch_size(global_batch_size, dataloader_host_count)
        if len(self.dataset) % global_batch_size:
            raise PipelineError(
                f"{len(self.dataset)} items cannot be divided into batches of {global_batch_size}: pad them first, "
                f"with PadBatchDataset(…, multiple_of={global_batch_size}, min_length=0, pad_elem=…)"
            )

    def _item(self, place: int) -> Record:
        host, in_host = divmod(place, len(self) // self.dataloader_host_count)
        batch, row = divmod(in_host, self._local)
        return self.dataset[batch * self.global_batch_size + host * self._local + row]


def local_batch_size(global_batch_size: int, host_count: int) -> int:
    """Returns the number of rows that each process has of a global batch.

    Raises:
        PipelineError: The number of processes does not divide the batch.

    >>> local_batch_size(8, 2)
    4
    """
    if host_count < 1 or global_batch_size < 1:
        raise PipelineError(
            f"global_batch_size={global_batch_size} on {host_count} processes: both must be at least 1"
        )
    if global_batch_size % host_count:
        below = global_batch_size // host_count * host_count
        sizes = [size for size in (below, below + host_count) if size]
        raise PipelineError(
            f"global_batch_size={global_batch_size} cannot be divided among {host_count} processes: "
            f"choose {' or '.join(map(str, sizes))}"
        )
    return global_batch_size // host_count
