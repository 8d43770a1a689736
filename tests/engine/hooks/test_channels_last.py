"""A run that lays the network out channels-last trains as any other."""

import torch

from mmlitehrnet.checkpoints import load_checkpoint
from tests.robustness.recipes import make_data, train_pose


def test_channels_last(tmp_path):
    data = make_data("pose", tmp_path / "data", num_train=2)
    train_pose(data, tmp_path / "start")
    # PyTorch draws weights in the order of their layout: they are given.
    options = {
        "load_from": str(tmp_path / "start/iter_2.pth"),
        "optim_wrapper.optimizer.eps": 1e-3,
    }
    default = train_pose(data, tmp_path / "default", **options).model
    options["custom_hooks"] = [dict(type="ChannelsLastHook")]
    changed = train_pose(data, tmp_path / "changed", **options).model
    for a, b in zip(default.parameters(), changed.parameters(), strict=True):
        assert b.is_contiguous(memory_format=torch.channels_last) or b.dim() != 4
        torch.testing.assert_close(a, b, rtol=0, atol=1e-5)
    saved = load_checkpoint(tmp_path / "changed/iter_2.pth")["state_dict"]
    assert list(saved) == list(default.state_dict())
