"""Checks of the network contract, shared by every backbone's tests."""

import pytest
import torch


@pytest.fixture
def check_features():
    """Assert that `features` are the maps of a full pass, got without the decoder; return them."""

    @torch.no_grad()
    def check(net, *inputs) -> dict[str, torch.Tensor]:
        recorded, decoder_calls = {}, []
        for index, block in enumerate(net.unet.down_blocks):
            block.register_forward_hook(
                lambda m, a, out, name=f"down{index}": recorded.update({name: out[0]})
            )
        net.unet.mid_block.register_forward_hook(lambda m, a, out: recorded.update(middle=out))
        net.unet.up_blocks[0].register_forward_hook(lambda m, a, out: decoder_calls.append(1))
        net(*inputs)
        expected = dict(recorded)
        assert len(decoder_calls) == 1
        features = net.features(*inputs)
        assert len(decoder_calls) == 1
        assert list(features) == list(net.feature_channels) == list(expected)
        for name, feature in features.items():
            assert torch.equal(feature, expected[name])
            assert feature.shape[1] == net.feature_channels[name]
        return features

    return check
