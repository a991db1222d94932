import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from diffusers import DDPMScheduler, UNet2DModel
from json_files import change_json
from safetensors.torch import load_file, save_file
from torch import nn

from unidad import sampling
from unidad.errors import UserError
from unidad.networks.folder import WEIGHTS_NAME
from unidad.networks.unet import UNet, new_network
from unidad.pipeline import UnidadPipeline
from unidad.sampling import FromNoise, draw_some, forward_flops, load_image_model, sample


class Tiny(nn.Module):
    """A diffusers-like network of two convolutions."""

    dtype = torch.float32

    def __init__(self):
        super().__init__()
        self.config = SimpleNamespace(in_channels=3, sample_size=8)
        self.first = nn.Conv2d(3, 5, 3, padding=1)
        self.second = nn.Conv2d(5, 3, 1)

    def forward(self, x, timestep):
        return SimpleNamespace(sample=self.second(torch.relu(self.first(x))))


def test_flops_of_two_convolutions_by_hand():
    """8 * 8 pixels, 5 channels of 3 * 3 * 3 taps, then 3 channels of 5; a multiply-add is 2."""
    assert forward_flops(UNet(Tiny(), DDPMScheduler())) == 2 * 64 * (5 * 27 + 3 * 5)


def test_flops_of_the_u_net_layer_by_layer(model_folder):
    """Convolutions and linear layers by their shapes; attention over 4 * 4 places twice."""
    network = load_image_model(model_folder).network
    counted = 0

    def count(layer, _, output):
        nonlocal counted
        taps = layer.weight[0].numel()
        counted += 2 * output.numel() * taps

    layers = [m for m in network.model.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    hooks = [layer.register_forward_hook(count) for layer in layers]
    with torch.no_grad():
        network(torch.zeros(1, *network.shape), torch.ones(1))
    for hook in hooks:
        hook.remove()
    attentions = [m for m in network.model.modules() if type(m).__name__ == "Attention"]
    assert len(attentions) == 4
    channels, places = 32, 16
    counted += len(attentions) * 2 * (2 * places * places * channels)
    assert forward_flops(network) == counted


def test_cost_by_hand(model_folder, monkeypatch):
    model = load_image_model(model_folder)
    clock = iter([10.0, 11.0, 20.0, 21.0, 30.0, 30.5])
    monkeypatch.setattr(sampling, "now", lambda: next(clock))
    _, cost = sample(model, 5, 0, nfe=3, batch_size=2, progress=False)
    assert cost == {
        "nfe": 3,
        "gflops_per_image": pytest.approx(3 * forward_flops(model.network) / 1e9),
        "images_per_second": 5 / 2.5,
    }


def test_the_trained_nfe_is_the_default(model_folder):
    images, cost = sample(load_image_model(model_folder), 3, 5, progress=False)
    assert cost["nfe"] == 4
    again, _ = sample(load_image_model(model_folder), 3, 5, nfe=4, progress=False)
    assert np.array_equal(images.images, again.images)


def test_the_first_images_do_not_depend_on_the_count(model_folder):
    model = load_image_model(model_folder)
    few, many = (sample(model, n, 5, batch_size=4, progress=False)[0].images for n in (3, 7))
    assert many.shape == (7, 16, 16, 3)
    assert np.array_equal(few, many[:3])


def test_loading_is_float32_and_says_nothing(model_folder, capfd, recwarn):
    pipeline = UnidadPipeline.from_pretrained(model_folder)
    pipeline.unet.bfloat16()
    pipeline.save_pretrained(model_folder)
    weights = load_file(model_folder / "unet" / WEIGHTS_NAME)
    assert {tensor.dtype for tensor in weights.values()} == {torch.bfloat16}
    capfd.readouterr()
    recwarn.clear()
    loaded = load_image_model(model_folder).network
    assert {p.dtype for p in loaded.model.parameters()} == {torch.float32}
    assert torch.equal(loaded.model.state_dict()["conv_in.bias"], weights["conv_in.bias"].float())
    assert capfd.readouterr() == ("", "")
    assert not recwarn.list


def test_dropout_is_off(tmp_path):
    torch.manual_seed(0)
    network = new_network(16, 2, (32, 32))
    settings = dict(network.model.config) | {"dropout": 0.5}
    unet = UNet2DModel.from_config(settings)
    UnidadPipeline(unet, network.scheduler, "few_step", 1).save_pretrained(tmp_path / "m")
    model = load_image_model(tmp_path / "m")
    assert not model.network.training
    first, second = (sample(model, 2, 0, progress=False)[0].images for _ in range(2))
    assert np.array_equal(first, second)


def test_a_folder_without_our_settings_is_many_step(model_folder):
    """A source teacher from elsewhere: a plain diffusers pipeline."""
    change_json(model_folder / "model_index.json", sampler=None, nfe=None, diffusion=None)
    model = load_image_model(model_folder)
    assert (model.sampler, model.nfe, model.diffusion.sigma_max) == ("ddim", 25, 80.0)


def edit_weights(folder, change):
    path = folder / "unet" / WEIGHTS_NAME
    weights = load_file(path)
    change(weights)
    save_file(weights, path)


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (shutil.rmtree, r"model_index.json: no such file; no exported model is here"),
        (lambda f: (f / "unet" / WEIGHTS_NAME).unlink(), f"{WEIGHTS_NAME}: weights are missing"),
        (
            lambda f: (f / "unet" / WEIGHTS_NAME).write_bytes(b"short"),
            f"{WEIGHTS_NAME}: not a readable safetensors file",
        ),
        (
            lambda f: edit_weights(f, lambda w: w.pop("conv_in.bias")),
            r"another architecture: no 'conv_in.bias' in the file",
        ),
        (
            lambda f: edit_weights(f, lambda w: w.update({"conv_in.bias": torch.zeros(3)})),
            r"'conv_in.bias' is \(3,\) in the file, \(32,\) in the model",
        ),
        (
            lambda f: edit_weights(f, lambda w: w.update({"extra": torch.zeros(3)})),
            r"'extra' is not in the model",
        ),
        (
            lambda f: change_json(f / "model_index.json", diffusion={"sigma_mx": 3}),
            r"model_index.json: diffusion\.sigma_mx",
        ),
        (
            lambda f: change_json(f / "model_index.json", diffusion=[1]),
            r"model_index.json: diffusion: ",
        ),
        (lambda f: (f / "scheduler" / "scheduler_config.json").unlink(), "no such file"),
    ],
)
def test_an_unfit_folder_is_one_clear_line(model_folder, damage, complaint):
    """`from_pretrained` itself draws noise with a warning where weights are missing."""
    damage(model_folder)
    with pytest.raises(UserError, match=complaint) as error:
        load_image_model(model_folder)
    assert str(model_folder) in str(error.value)
    assert len(str(error.value).splitlines()) == 1


def test_an_image_alone_is_the_one_of_the_whole_set(model_folder):
    model = load_image_model(model_folder)
    whole, _ = sample(model, 6, seed=3, nfe=2, progress=False)
    alone, cost = draw_some(FromNoise(model, 6, 3, 2, 64), [4, 1])
    assert np.abs(alone.images.astype(int) - whole.images[[4, 1]]).max() <= 1
    assert np.abs(alone.images.astype(int) - whole.images[[1, 4]]).max() > 1
    assert cost == {"nfe": 2}
    with pytest.raises(UserError, match="image 6: the set has images 0 to 5"):
        draw_some(FromNoise(model, 6, 3, 2, 64), [6])
