"""How fast the package is, each subject against a plain reference: ``python -m benchmarks``."""
