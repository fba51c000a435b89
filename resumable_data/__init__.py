"""A data pipeline for training language models in JAX, resumed bit-exactly from an Orbax checkpoint."""

import warnings

from etils import epy

from resumable_data.version import VERSION

# Each name is imported when it is first used: the order of documents needs neither JAX nor Orbax.
with epy.lazy_api_imports(globals()):
    from resumable_data import checkpoint
    from resumable_data.answers.diff import Diff, diff
    from resumable_data.answers.simulation import Simulation
    from resumable_data.answers.verify import Verified
    from resumable_data.answers.view import View, view
    from resumable_data.answers.when import Appearance
    from resumable_data.batch import Batch, LLMBatch, LLMFieldsBatch, LLMIndexedBatch, LLMIndexedFieldsBatch
    from resumable_data.dataset import (
        BatchDataset,
        Dataset,
        DocumentDataset,
        RowDataset,
        UnbatchedDataset,
        explain,
        mix,
    )
    from resumable_data.edits import Edit
    from resumable_data.engines.batches import Length
    from resumable_data.errors import (
        PeerError,
        PipelineError,
        PipelineMismatchError,
        RecordError,
        ResumableDataError,
        SourceError,
        StateError,
    )
    from resumable_data.explanation import Explanation, Span
    from resumable_data.iteration.epochs import Epoch, Epochs
    from resumable_data.iteration.iterator import DataIterator
    from resumable_data.iteration.progress import Progress
    from resumable_data.iteration.stats import Stats
    from resumable_data.order.schedule import BatchSchedule
    from resumable_data.parts import Parts
    from resumable_data.planning.packed_rows import PackingReport
    from resumable_data.planning.weights import WeightSchedule
    from resumable_data.reading.bad_records import LeftOut
    from resumable_data.sources.array_record import ArrayRecordSource
    from resumable_data.sources.grain_source import GrainSource
    from resumable_data.sources.hugging_face import HuggingFaceSource
    from resumable_data.sources.hugging_face_iterable import HuggingFaceIterableSource
    from resumable_data.sources.in_memory import InMemorySource
    from resumable_data.sources.parse import parse_int32_tokens, parse_int64_tokens, parse_uint16_tokens
    from resumable_data.sources.retries import Retries
    from resumable_data.sources.sequential import SequentialSource
    from resumable_data.sources.source import (
        GrowingSource,
        Source,
        SourceWithColumns,
        SourceWithFiles,
        SourceWithLengths,
    )
    from resumable_data.sources.synthetic import SyntheticSource, log_normal_lengths
    from resumable_data.sources.token_store import TokenStoreSource, write_token_store

__version__ = VERSION

_import_lazily = globals()["__getattr__"]


def __getattr__(name: str) -> object:
    if name == "HuggingFaceStream":
        warnings.warn("HuggingFaceStream is now HuggingFaceIterableSource", DeprecationWarning, stacklevel=2)
        name = "HuggingFaceIterableSource"
    return _import_lazily(name)


__all__ = [
    "Appearance",
    "ArrayRecordSource",
    "Batch",
    "BatchDataset",
    "BatchSchedule",
    "DataIterator",
    "Dataset",
    "Diff",
    "DocumentDataset",
    "Edit",
    "Epoch",
    "Epochs",
    "Explanation",
    "GrainSource",
    "GrowingSource",
    "HuggingFaceIterableSource",
    "HuggingFaceSource",
    "InMemorySource",
    "LLMBatch",
    "LLMFieldsBatch",
    "LLMIndexedBatch",
    "LLMIndexedFieldsBatch",
    "LeftOut",
    "Length",
    "PackingReport",
    "Parts",
    "PeerError",
    "PipelineError",
    "PipelineMismatchError",
    "Progress",
    "RecordError",
    "ResumableDataError",
    "Retries",
    "RowDataset",
    "SequentialSource",
    "Simulation",
    "Source",
    "SourceError",
    "SourceWithColumns",
    "SourceWithFiles",
    "SourceWithLengths",
    "Span",
    "StateError",
    "Stats",
    "SyntheticSource",
    "TokenStoreSource",
    "UnbatchedDataset",
    "Verified",
    "View",
    "WeightSchedule",
    "checkpoint",
    "diff",
    "explain",
    "log_normal_lengths",
    "mix",
    "parse_int32_tokens",
    "parse_int64_tokens",
    "parse_uint16_tokens",
    "view",
    "write_token_store",
]
