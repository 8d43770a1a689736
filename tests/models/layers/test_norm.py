"""Batch normalisation of a single value per channel."""

from functools import partial
from threading import Thread

import pytest
import torch
import torch.distributed as dist
from torch import nn

from mmlitehrnet import DiteHRNet, LiteHRNet, NaiveLiteHRNet, SmallHRNet
from mmlitehrnet.models.layers.activation_checkpointing import Blocks
from mmlitehrnet.models.layers.norm import (
    BatchNorm2d,
    batches_counted_together,
    build_norm,
    replace_norm,
)


def test_single_value_uses_and_keeps_the_running_statistics():
    norm = BatchNorm2d(4)
    norm.running_mean.uniform_(), norm.running_var.uniform_(0.5, 2)
    before = {k: v.clone() for k, v in norm.state_dict().items()}
    x = torch.randn(1, 4, 1, 1)
    y = norm.train()(x)
    assert torch.equal(y, norm.eval()(x))
    assert all(torch.equal(v, before[k]) for k, v in norm.state_dict().items())
    # What PyTorch says there:
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        nn.BatchNorm2d(4).train()(x)


def test_synchronised_normalisation_in_a_process_group_of_one(tmp_path):
    dist.init_process_group(
        "gloo", init_method=f"file://{tmp_path}/group", rank=0, world_size=1
    )
    try:
        assert replace_norm(dict(type="SyncBN"))["type"] is BatchNorm2d
    finally:
        dist.destroy_process_group()


def test_synchronised_normalisation_in_several_processes_is_pytorchs(monkeypatch):
    monkeypatch.setattr("mmlitehrnet.models.layers.norm.get_world_size", lambda: 2)
    net = LiteHRNet(norm_cfg=dict(type="SyncBN"))
    assert isinstance(net.stem.conv1.bn, nn.SyncBatchNorm)
    assert isinstance(net.head_layer.projects[0].pointwise_conv.bn, nn.SyncBatchNorm)


@pytest.mark.parametrize("kind", ["BN", "SyncBN"])
def test_initialisers_know_it(kind):
    net = LiteHRNet(
        norm_cfg=dict(type=kind),
        init_cfg=dict(type="Constant", val=0.5, layer="_BatchNorm"),
    )
    net.init_weights()
    assert (net.stem.conv1.bn.weight == 0.5).all()


@pytest.mark.parametrize("momentum", [0.1, 0.0, None])
def test_batches_are_counted_together_as_one_by_one(momentum):
    ours, theirs = nn.Sequential(), nn.Sequential()
    for _ in range(3):
        ours.append(BatchNorm2d(4, momentum=momentum))
        theirs.append(nn.BatchNorm2d(4, momentum=momentum))
    ours[1].eval(), theirs[1].eval()
    untracked = BatchNorm2d(4, track_running_stats=False)
    for _ in range(3):
        x = torch.randn(2, 4, 3, 3)
        with batches_counted_together():
            assert torch.equal(ours(x), theirs(x))
            untracked(x), ours[0](x[:1, :, :1, :1])  # neither counts
    assert ours[0].num_batches_tracked == 3 and ours[1].num_batches_tracked == 0
    for key, value in theirs.state_dict().items():
        assert torch.equal(ours.state_dict()[key], value), key


def test_a_batch_counts_where_a_later_layer_fails():
    norm, error = BatchNorm2d(4), RuntimeError("later")
    with pytest.raises(RuntimeError, match="later"), batches_counted_together():
        norm(torch.randn(2, 4, 3, 3))
        raise error
    assert norm.num_batches_tracked == 1
    norm(torch.randn(2, 4, 3, 3))  # outside
    assert norm.num_batches_tracked == 2


def test_threads_count_for_themselves():
    norm, other = BatchNorm2d(4), BatchNorm2d(4)
    with batches_counted_together():
        norm(torch.randn(2, 4, 3, 3))
        thread = Thread(target=other, args=(torch.randn(2, 4, 3, 3),))
        thread.start()
        thread.join()
        assert (norm.num_batches_tracked, other.num_batches_tracked) == (0, 1)
    assert norm.num_batches_tracked == 1


@pytest.mark.parametrize("with_cp", [False, True])
@pytest.mark.parametrize("cls", [LiteHRNet, DiteHRNet, SmallHRNet])
def test_networks_count_each_batch_once(cls, with_cp):
    net = cls(with_cp=with_cp).train()
    for _ in range(2):
        net(torch.randn(2, 3, 64, 64))[0].sum().backward()
    norms = [m for m in net.modules() if isinstance(m, BatchNorm2d)]
    assert len(norms) > 50
    assert all(norm.num_batches_tracked == 2 for norm in norms)


def test_everything_else_is_batch_normalisation():
    ours, theirs = BatchNorm2d(4), nn.BatchNorm2d(4)
    for shape in [(2, 4, 1, 1), (1, 4, 1, 2), (3, 4, 5, 5)]:
        x = torch.randn(shape)
        assert torch.equal(ours(x), theirs(x))
        for key, value in theirs.state_dict().items():
            assert torch.equal(ours.state_dict()[key], value)


def test_other_layers_are_left_as_they_are():
    cfg = dict(type=nn.GroupNorm, num_groups=2)
    assert replace_norm(cfg) == cfg
    assert replace_norm(dict(type=nn.BatchNorm2d))["type"] is nn.BatchNorm2d
    cfg = dict(type="BN", requires_grad=False, momentum=0.03)
    assert replace_norm(cfg) == dict(cfg, type=BatchNorm2d)


@pytest.mark.parametrize(
    "cfg, theirs",
    [
        (dict(type="GN", num_groups=2), nn.GroupNorm(2, 4)),
        (dict(type="IN", affine=True), nn.InstanceNorm2d(4, affine=True)),
    ],
)
def test_group_and_instance_normalisation_are_pytorchs(cfg, theirs):
    ours = build_norm(replace_norm(cfg), 4)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    x = torch.randn(2, 4, 5, 5)
    assert torch.equal(ours(x), theirs(x))


@pytest.mark.parametrize("backbone", [LiteHRNet, NaiveLiteHRNet, DiteHRNet, SmallHRNet])
def test_groups_that_do_not_divide_the_widths_are_named(backbone):
    with pytest.raises(ValueError, match=r"norm_cfg\['num_groups'\] must div.* got 7,"):
        backbone(norm_cfg=dict(type="GN", num_groups=7))


def test_instance_normalisation_of_pooled_vectors_is_named():
    net = DiteHRNet(norm_cfg=dict(type="IN"))
    with pytest.raises(ValueError, match="norm_cfg must not be instance normalisation"):
        net(torch.rand(2, 3, 64, 64))


@pytest.mark.parametrize(
    "kind", [nn.SyncBatchNorm, partial(nn.InstanceNorm2d, track_running_stats=True)]
)
def test_checkpointing_counts_a_batch_once_with_other_layers(kind):
    plain, lean = kind(4), kind(4)
    x = torch.randn(2, 4, 3, 3, requires_grad=True)
    plain(x)
    Blocks(lean, with_cp=True)(x).sum().backward()
    assert torch.allclose(plain.running_mean, lean.running_mean)
    assert plain.num_batches_tracked == lean.num_batches_tracked
