from itertools import combinations

import numpy as np
import pytest
import torch

from unidad.metrics.perceptual import intra_lpips, within_and_across_prompts


def rows(*values) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float32).view(len(values), -1)


def prompt_diversity(values, prompts) -> tuple[float | None, float | None]:
    within, across = within_and_across_prompts(values, prompts)
    return (intra_lpips(within) if within else None), across


def test_pairs_by_hand():
    """Within: 1. Across: 0 and 1 to 4: 16 and 9."""
    assert prompt_diversity(rows(0, 1, 4), [0, 0, 1]) == (1.0, 12.5)


def test_prompts_count_alike_within_and_pairs_alike_across():
    """Within: 1 and (1 + 4 + 9) / 3, mean 17 / 6. Across: 16, 9, 25, 16, 49, 36."""
    intra, inter = prompt_diversity(rows(0, 1, 4, 5, 7), [0, 0, 1, 1, 1])
    assert intra == pytest.approx((1 + 14 / 3) / 2)
    assert inter == pytest.approx((16 + 9 + 25 + 16 + 49 + 36) / 6)


def test_equals_all_pairs_formed():
    prompts = [0] * 4 + [1] + [2] * 3 + [3] * 4
    values = 100 + torch.randn(len(prompts), 50, generator=torch.Generator().manual_seed(0))
    distances = [
        (prompts[i] == prompts[j], prompts[i], (values[i] - values[j]).double().square().sum())
        for i, j in combinations(range(len(prompts)), 2)
    ]
    within = [[d for same, p, d in distances if same and p == prompt] for prompt in (0, 2, 3)]
    across = [d for same, _, d in distances if not same]
    intra, inter = prompt_diversity(values, prompts)
    assert intra == pytest.approx(np.mean([np.mean(pairs) for pairs in within]), rel=1e-5)
    assert inter == pytest.approx(np.mean(across), rel=1e-5)


def test_what_has_no_pair_has_no_value():
    assert prompt_diversity(rows(0, 1, 4), [0, 1, 2]) == (None, pytest.approx(26 / 3))
    assert prompt_diversity(rows(0, 2), [0, 0]) == (4.0, None)
    assert prompt_diversity(rows(0), [0]) == (None, None)


def test_the_same_image_everywhere_does_not_vary():
    assert prompt_diversity(rows(*[3] * 6), [0, 0, 0, 1, 1, 1]) == (0.0, 0.0)
