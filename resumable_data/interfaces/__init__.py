"""The interfaces of xlstm-jax and fifteen over the stages, for trainers that use their names and arguments.

A package here has the names of the module that it replaces. It is public as a module of ``resumable_data`` itself:
``resumable_data.loaders`` is ``interfaces.loaders``. Nothing outside this folder imports from it, so readers of the
pipeline do not need it.

=========================  =====================================
package                    module that it replaces
=========================  =====================================
grain_data_processing      xlstm_jax.dataset.grain_data_processing
multihost_dataloading      xlstm_jax.dataset.multihost_dataloading
lmeval_pipeline            xlstm_jax.dataset.lmeval_pipeline
loaders                    fifteen.data
=========================  =====================================

The batches of ``xlstm_jax.dataset.batch`` are the library's own: ``resumable_data.batch``.
"""
