"""Feature extractors, and pure metrics on their features."""
