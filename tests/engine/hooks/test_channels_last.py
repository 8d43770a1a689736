"""A run that lays the network out channels-last trains as any other."""

import torch
from mmengine.model import BaseModel
from mmengine.runner import Runner

from mmlitehrnet import LiteHRNet
from mmlitehrnet.checkpoints import load_checkpoint
from tests.models.deployed.networks import table


class Model(BaseModel):
    """A backbone that is trained to give nothing."""

    def __init__(self, backbone):
        super().__init__()
        self.backbone = backbone

    def init_weights(self):
        """Keep the weights: PyTorch draws them in the order of the layout."""

    def forward(self, images, mode):
        (result,) = self.backbone(images)
        self.layout = result.is_contiguous(memory_format=torch.channels_last)
        return dict(loss=result.square().mean())


def trained(folder, **hooks):
    """The model after an iteration of training on two images."""
    torch.manual_seed(0)
    images = torch.randn(2, 3, 64, 64, dtype=torch.float64)
    runner = Runner(
        model=Model(LiteHRNet(extra=table("LITE"))).double(),
        work_dir=str(folder),
        experiment_name=folder.name,
        randomness=dict(seed=0),
        train_dataloader=dict(
            dataset=[dict(images=image) for image in images],
            sampler=dict(type="DefaultSampler", shuffle=False),
            batch_size=2,
            collate_fn=dict(type="default_collate"),
        ),
        train_cfg=dict(by_epoch=True, max_epochs=1),
        optim_wrapper=dict(optimizer=dict(type="SGD", lr=0.01)),
        default_hooks=hooks,
    )
    runner.train()
    return runner.model


def test_channels_last(tmp_path):
    default = trained(tmp_path / "default")
    hook = dict(type="ChannelsLastHook")
    changed = trained(tmp_path / "changed", channels_last=hook)
    assert changed.layout and not default.layout
    for a, b in zip(default.parameters(), changed.parameters()):
        assert b.is_contiguous(memory_format=torch.channels_last) or b.dim() != 4
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-12)
    saved = load_checkpoint(tmp_path / "changed/epoch_1.pth")["state_dict"]
    assert list(saved) == list(default.state_dict())
