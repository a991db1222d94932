"""The training loop, and one run from its specification to its exported model."""
