"""Summaries as training and sampling leave them, with made-up numbers."""

SAMPLING = {"nfe": 3, "gflops_per_image": 1.5, "images_per_second": 40.0}


def summary(seconds, updates, memory):
    return {
        "seconds": seconds,
        "updates": {"student": updates, "fake_score": 5 * updates},
        "peak_memory_mb": memory,
        "iterations": 999,
    }
