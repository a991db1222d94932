import pytest
import torch

from unidad.diffusion import process


@pytest.fixture
def triple():
    generator = torch.Generator().manual_seed(1)
    x0, eps = (torch.randn(4, 3, 2, 2, generator=generator, dtype=torch.float64) for _ in range(2))
    sigma = torch.tensor([0.01, 0.5, 6.0, 80.0], dtype=torch.float64)
    return x0, eps, sigma, process.add_noise(x0, eps, sigma)


def test_eps_and_v_predictions_of_the_true_noise_give_x0(triple):
    x0, eps, sigma, x = triple
    assert torch.allclose(process.x0_from_eps(x, eps, sigma), x0)
    alpha = (1 / (1 + sigma**2)).sqrt().reshape(-1, 1, 1, 1)
    sigma_t = sigma.reshape(-1, 1, 1, 1) * alpha
    v = alpha * eps - sigma_t * x0
    assert torch.allclose(process.x0_from_v(x, v, sigma), x0)


@pytest.fixture
def flow(triple):
    """The same noise in the flow's own view: x_t = (1 - t) x0 + t eps, velocity eps - x0."""
    x0, eps, sigma, _ = triple
    time = process.flow_time(sigma).reshape(-1, 1, 1, 1)
    return time, (1 - time) * x0 + time * eps, eps - x0


def test_a_flow_s_time_and_a_noise_level_are_each_other_s_inverse():
    """sigma = t / (1 - t): 0, 1/4, 1/2, 0.8, 0.99 are 0, 1/3, 1, 4, 99."""
    time = torch.tensor([0.0, 0.25, 0.5, 0.8, 0.99], dtype=torch.float64)
    sigma = torch.tensor([0, 1 / 3, 1, 4, 99], dtype=torch.float64)
    torch.testing.assert_close(process.flow_level(time), sigma)
    torch.testing.assert_close(process.flow_time(sigma), time)
    assert process.flow_level(torch.ones(1)).isinf()


def test_a_flow_s_image_is_the_noised_one_on_another_scale(triple, flow):
    """x_t = (1 - t) x = x / (1 + sigma), and back x = x_t / (1 - t)."""
    _, _, sigma, x = triple
    time, x_t, _ = flow
    torch.testing.assert_close(x_t, x / (1 + sigma.reshape(-1, 1, 1, 1)))
    torch.testing.assert_close(x_t / (1 - time), x)


def test_the_true_velocity_gives_x0(triple, flow):
    """And a wrong one by t: x0 = x_t - t u, in the flow's own view."""
    x0, _, sigma, x = triple
    time, x_t, velocity = flow
    torch.testing.assert_close(process.x0_from_flow(x, velocity, sigma), x0)
    torch.testing.assert_close(
        process.x0_from_flow(x, velocity + 0.5, sigma), x_t - time * (velocity + 0.5)
    )


@pytest.mark.parametrize("std", [0.1, 1.0])
def test_the_flow_of_a_gaussian_is_its_closed_form(std):
    """x0 ~ N(0, std^2): E[eps - x0 | x_t] = (t - (1 - t) std^2) x_t / ((1 - t)^2 std^2 + t^2) is
    the same x0 as E[x0 | x] = std^2 x / (std^2 + sigma^2)."""
    x = torch.linspace(-3, 3, 8, dtype=torch.float64).reshape(2, 1, 2, 2)
    sigma = torch.tensor([0.3, 5.0], dtype=torch.float64)
    time, level = process.flow_time(sigma).reshape(-1, 1, 1, 1), sigma.reshape(-1, 1, 1, 1)
    variance = (1 - time) ** 2 * std**2 + time**2
    velocity = (time - (1 - time) * std**2) * (1 - time) * x / variance
    expected = std**2 * x / (std**2 + level**2)
    torch.testing.assert_close(process.x0_from_flow(x, velocity, sigma), expected)
