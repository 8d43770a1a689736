"""A run that lays the network out channels-last trains as any other."""

import torch
from mmengine.model import BaseModel

from mmlitehrnet import LiteHRNet
from mmlitehrnet.checkpoints import load_checkpoint
from tests.models.deployed.networks import table
from tests.robustness.tiny_runner import tiny_runner


class Model(BaseModel):
    """A backbone that is trained to give nothing for any image."""

    def __init__(self):
        super().__init__()
        self.backbone = LiteHRNet(extra=table("LITE"))
        self.double()

    def init_weights(self):
        """Keep the weights: PyTorch draws them in the order of the layout."""

    def forward(self, x, y, mode):
        generator = torch.Generator().manual_seed(0)
        noise = torch.randn(3, 64, 64, generator=generator, dtype=torch.float64)
        (result,) = self.backbone(noise * x[:2, 0, None, None, None].double())
        self.layout = result.is_contiguous(memory_format=torch.channels_last)
        return dict(loss=result.square().mean())


def trained(folder, *hooks):
    """The model after two steps."""
    torch.manual_seed(0)
    runner = tiny_runner(folder, model=Model(), iters=2, custom_hooks=hooks)
    runner.train()
    return runner.model


def test_channels_last(tmp_path):
    default = trained(tmp_path / "default")
    changed = trained(tmp_path / "changed", dict(type="ChannelsLastHook"))
    assert changed.layout and not default.layout
    for a, b in zip(default.parameters(), changed.parameters()):
        assert b.is_contiguous(memory_format=torch.channels_last) or b.dim() != 4
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-9)
    saved = load_checkpoint(tmp_path / "changed/iter_2.pth")["state_dict"]
    assert list(saved) == list(default.state_dict())
