"""Checks of the network contract, shared by every backbone's tests."""

import pytest
import torch


def _first(output):
    """Transformers within a U-Net return a tuple."""
    return output[0] if isinstance(output, tuple) else output


@pytest.fixture
def check_features():
    """Assert that `features` are the maps of a full pass, got without the decoder; return them."""

    @torch.no_grad()
    def check(net, *inputs) -> dict[str, torch.Tensor]:
        recorded, decoder_calls = {}, []

        def record(module, name):
            module.register_forward_hook(lambda m, a, out: recorded.update({name: out}))

        record(net.unet.conv_in, "down0/in")
        for index, block in enumerate(net.unet.down_blocks):
            attentions = getattr(block, "attentions", None)
            steps = list(block.resnets if attentions is None else attentions)
            for place, step in enumerate([*steps, *(block.downsamplers or ())]):
                record(step, f"down{index}/{place}")
            last = f"down{index}/{place}"
            block.register_forward_hook(
                lambda m, a, out, name=f"down{index}", last=last: recorded.update(
                    {name: _first(recorded.pop(last))}
                )
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
            assert torch.equal(feature, _first(expected[name]))
            assert feature.shape[1] == net.feature_channels[name]
        return features

    return check
