import pytest
import torch

from unidad.networks.lora import add_lora, merged_lora
from unidad.networks.unet import UNet, new_network

ATTENTION = UNet.LAYERS["attention"]


@pytest.fixture(params=["conditional", "unconditional"])
def unet(request, tiny_unet):
    torch.manual_seed(0)
    return tiny_unet if request.param == "conditional" else new_network(16, 2, (32, 32)).model


def outputs(unet) -> torch.Tensor:
    generator = torch.Generator().manual_seed(4)
    x = torch.randn(2, unet.config.in_channels, 8, 8, generator=generator)
    text = torch.randn(2, 7, 32, generator=generator)
    extra = {"encoder_hidden_states": text} if "cross_attention_dim" in unet.config else {}
    with torch.no_grad():
        return unet(x, torch.tensor([10, 900]), **extra).sample


def learn(parameters) -> None:
    torch.manual_seed(5)
    with torch.no_grad():
        for parameter in parameters:
            parameter.add_(0.1 * torch.randn_like(parameter))


@pytest.mark.parametrize("layers", ["attention", "all"])
def test_adapters_start_as_nothing_and_merge_to_the_same_outputs(unet, layers):
    base = {name: tensor.clone() for name, tensor in unet.state_dict().items()}
    before = outputs(unet)
    parameters = add_lora(unet, 4, UNet.LAYERS.get(layers))
    assert torch.equal(outputs(unet), before)
    learn(parameters)
    adapted = outputs(unet)
    assert (adapted - before).abs().max() > 1e-2
    merged = merged_lora(unet)
    torch.testing.assert_close(outputs(merged), adapted, rtol=1e-5, atol=1e-5)
    assert {name: t.shape for name, t in merged.state_dict().items()} == {
        name: t.shape for name, t in base.items()
    }
    assert torch.equal(outputs(unet), adapted)
    kept = {
        name.replace(".base_layer", ""): tensor
        for name, tensor in unet.state_dict().items()
        if ".lora_" not in name
    }
    assert kept.keys() == base.keys()
    assert all(torch.equal(kept[name], base[name]) for name in base)


def test_only_adapters_are_trainable(tiny_unet):
    """Two attentions in each of 4 transformers, 4 projections in each, A and B in each."""
    parameters = add_lora(tiny_unet, 4, ATTENTION)
    names = [name for name, p in tiny_unet.named_parameters() if p.requires_grad]
    assert len(parameters) == len(names) == 4 * 2 * 4 * 2
    assert all(".lora_" in name and ".attn" in name for name in names)


def test_all_layers_are_every_convolution_and_linear_layer(tiny_unet):
    kinds = (torch.nn.Conv2d, torch.nn.Linear)
    count = sum(isinstance(module, kinds) for module in tiny_unet.modules())
    assert len(add_lora(tiny_unet, 2)) == 2 * count


def test_a_non_finite_adapter_is_not_merged(tiny_unet):
    parameters = add_lora(tiny_unet, 4, ATTENTION)
    with torch.no_grad():
        parameters[1].fill_(torch.nan)
    with pytest.raises(ValueError, match=r"(?i)nan"):
        merged_lora(tiny_unet)


def test_a_merged_model_is_saved_and_loaded_as_an_ordinary_one(unet, tmp_path):
    learn(add_lora(unet, 4, ATTENTION))
    merged = merged_lora(unet)
    merged.save_pretrained(tmp_path / "unet")
    loaded = type(unet).from_pretrained(tmp_path / "unet")
    assert loaded.state_dict().keys() == merged.state_dict().keys()
    assert all(torch.equal(t, merged.state_dict()[name]) for name, t in loaded.state_dict().items())
