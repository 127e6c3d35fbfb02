"""Training: one Lightning module, one trainer, callbacks, seeds."""
