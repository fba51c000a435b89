"""The interface of ``xlstm_jax.dataset.multihost_dataloading``; see ``docs/migration.md``."""

from resumable_data.interfaces.multihost_dataloading import *  # noqa: F403
from resumable_data.interfaces.multihost_dataloading import __all__ as __all__
