"""Training loop and optimizers."""
