"""Light loaders with the interface of ``fifteen.data``: minibatches of data sets with random access.

Every iterator here has exact states, also in the middle of a pass, and is saved like a data iterator.
``docs/migration.md`` says where it differs from the original, and why.
"""

from resumable_data.interfaces.loaders.cycled import cycled_minibatches
from resumable_data.interfaces.loaders.data_loader import DataLoader
from resumable_data.interfaces.loaders.in_memory import InMemoryDataLoader
from resumable_data.interfaces.loaders.mapped import prefetching_map, sharding_map
from resumable_data.interfaces.loaders.protocols import DataLoaderProtocol, MapDatasetProtocol, SizedIterable
from resumable_data.interfaces.loaders.stateful import LoaderIterator

__all__ = [
    "DataLoader",
    "DataLoaderProtocol",
    "InMemoryDataLoader",
    "LoaderIterator",
    "MapDatasetProtocol",
    "SizedIterable",
    "cycled_minibatches",
    "prefetching_map",
    "sharding_map",
]
