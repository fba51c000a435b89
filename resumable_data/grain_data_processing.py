"""The interface of ``xlstm_jax.dataset.grain_data_processing``; see ``docs/migration.md``."""

from resumable_data.interfaces.grain_data_processing import *  # noqa: F403
from resumable_data.interfaces.grain_data_processing import __all__ as __all__
