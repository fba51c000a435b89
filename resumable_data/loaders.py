"""The interface of ``fifteen.data``; see ``docs/migration.md``."""

from resumable_data.interfaces.loaders import *  # noqa: F403
from resumable_data.interfaces.loaders import __all__ as __all__
