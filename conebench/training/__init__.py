"""Training: a generator of checkpoints, and the optimizers."""
