"""The interfaces of xlstm-jax and fifteen over the stages, for trainers that know their names and arguments.

A package here has the names of the module that it stands for, and is public as a module of ``resumable_data`` itself:
``resumable_data.loaders`` is ``interfaces.loaders``. Nothing outside this folder imports from it, so that a reader of
the pipeline never needs it.

=========================  =====================================
package                    module that it stands for
=========================  =====================================
grain_data_processing      xlstm_jax.dataset.grain_data_processing
multihost_dataloading      xlstm_jax.dataset.multihost_dataloading
lmeval_pipeline            xlstm_jax.dataset.lmeval_pipeline
loaders                    fifteen.data
=========================  =====================================

The batches of ``xlstm_jax.dataset.batch`` are the library's own: ``resumable_data.batch``.
"""
