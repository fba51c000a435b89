"""The errors this library raises. Each says what is wrong, where, and what to do."""


class ResumableDataError(Exception):
    """Base class of every error that this library raises on purpose."""


class PipelineError(ResumableDataError, ValueError):
    """A pipeline that cannot work: an impossible setting, or stages in an impossible order."""


class StageOrderError(PipelineError, AttributeError):
    """A method of a pipeline in another phase, such as ``batch`` of documents; the message says where it belongs.

    It is an ``AttributeError`` too, as the method does not exist there: ``hasattr`` and completion tell the truth.
    """


class SourceError(ResumableDataError, OSError):
    """Files that are missing, empty, damaged, or not what their index says."""


class RecordError(ResumableDataError, ValueError):
    """A bad record; the message names the source, the index and, where there is one, the file."""


class StateError(ResumableDataError, ValueError):
    """A state that is damaged, incomplete, or of a version this release cannot read."""


class PipelineMismatchError(ResumableDataError, ValueError):
    """A sound state of another pipeline or of other data; the message lists the differences.

    Attributes:
        differences: One readable line a difference, such as ``pack.length was 2048, is 4096``.
        allow: What ``allow=`` would have to name for all of them; empty if something can never differ.
    """

    def __init__(self, message: str, differences: tuple[str, ...] = (), allow: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.differences = differences
        self.allow = allow


class PeerError(ResumableDataError, RuntimeError):
    """Another process of the run cannot go on, did not come in time, or cannot be reached; the message names it."""


class ClosedError(ResumableDataError, ValueError):
    """The iterator was closed, before it was asked or meanwhile."""
