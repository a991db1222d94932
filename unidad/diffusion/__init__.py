"""The noise process: levels, draws, samplers."""
