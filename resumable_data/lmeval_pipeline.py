"""The interface of ``xlstm_jax.dataset.lmeval_pipeline``; see ``docs/migration.md``."""

from resumable_data.interfaces.lmeval_pipeline import *  # noqa: F403
from resumable_data.interfaces.lmeval_pipeline import __all__ as __all__
