"""Networks compute on a CUDA device what they compute on the CPU."""

import copy

import pytest
import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

from benchmarks.training import grad_scaler
from mmlitehrnet.deploy import switch_to_deploy
from tests.cuda.device import DEVICE, ON_CUDA, needs_cuda, needs_device
from tests.models.backbones.reference import (
    difference,
    fresh_weights,
    gradient_difference,
    gradients,
    images,
    sane_weights,
)
from tests.models.deployed.networks import FOUR, KINDS, NETWORKS

HALVES = [torch.float16, torch.bfloat16]


def pair(make, dtype=torch.float64):
    """A network on the CPU and its copy on the device."""
    net = sane_weights(make().to(dtype)).eval()
    return net, copy.deepcopy(net).to(DEVICE)


def gradients_on_cpu(net, x):
    """Gradients of a training step, of the parameters that have one."""
    found = gradients(net, x)
    return {name: g.cpu() for name, g in found.items() if g is not None}


@needs_device
@pytest.mark.parametrize("name", NETWORKS)
def test_maps_and_gradients_are_those_of_the_cpu(name):
    net, there = pair(NETWORKS[name])
    x = images(2, 3, 64, 96, dtype=torch.float64)
    deployed = switch_to_deploy(net).to(DEVICE)
    with torch.no_grad():
        for a, b, c in zip(there(x.to(DEVICE)), net(x), deployed(x.to(DEVICE))):
            assert difference(a.cpu(), b) < 1e-9
            assert difference(c.cpu(), b) < 1e-8
    expected = gradients_on_cpu(net, x)
    found = gradients_on_cpu(there, x.to(DEVICE))
    assert gradient_difference(found, expected) < 1e-8
    statistics = dict(there.named_buffers())
    for key, value in net.named_buffers():
        torch.testing.assert_close(statistics[key].cpu(), value, rtol=1e-8, atol=1e-10)


@needs_device
@pytest.mark.parametrize("name", KINDS)
def test_layout_channels_last_changes_nothing(name):
    net, there = pair(NETWORKS[name])
    there = there.to(memory_format=torch.channels_last)
    x = images(2, 3, 64, 96, dtype=torch.float64)
    expected = gradients_on_cpu(net, x)
    found = gradients_on_cpu(there, x.to(DEVICE))
    assert gradient_difference(found, expected) < 1e-8
    net.eval(), there.eval()
    with torch.no_grad():
        expected, found = net(x)[0], there(x.to(DEVICE))[0]
    assert found.is_contiguous(memory_format=torch.channels_last)
    assert difference(found.cpu(), expected) < 1e-9


@needs_device
@pytest.mark.parametrize("deployed", [False, True])
@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("name", FOUR)
def test_half_precision_stays_near(name, dtype, deployed):
    """Mixed, and of deployed networks as a whole."""
    if not ON_CUDA:
        dtype = torch.bfloat16
    net = fresh_weights(FOUR[name]()).eval()
    net = (switch_to_deploy(net) if deployed else net).to(DEVICE)
    x = images(2, 3, 64, 64).to(DEVICE)
    with torch.no_grad():
        expected = net(x)[0]
        if deployed:
            found = net.to(dtype)(x.to(dtype))[0]
            assert found.dtype == dtype
        else:
            with torch.autocast(DEVICE.type, dtype):
                found = net(x)[0]
    assert found.isfinite().all()
    assert difference(found.float(), expected) < 0.1


@needs_device
@pytest.mark.parametrize("name", KINDS)
def test_mixed_precision_trains(name):
    dtype = torch.float16 if ON_CUDA else torch.bfloat16
    net = NETWORKS[name]().to(DEVICE).train()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.02)
    scaler = grad_scaler(enabled=ON_CUDA)
    x = images(4, 3, 64, 64).to(DEVICE)
    losses = []
    for _ in range(8):
        optimizer.zero_grad()
        with torch.autocast(DEVICE.type, dtype):
            loss = (net(x)[0].float() - 1).square().mean()
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    assert all(p.isfinite().all() for p in net.parameters())


@needs_cuda
@pytest.mark.parametrize("deploy", [False, True])
@pytest.mark.parametrize("name", KINDS)
def test_network_is_recorded_as_a_cuda_graph(name, deploy):
    net, there = pair(NETWORKS[name], torch.float32)
    there = switch_to_deploy(there) if deploy else there
    recorded = images(2, 3, 64, 96).to(DEVICE)
    graph = copy.deepcopy(there).requires_grad_(False)
    torch.cuda.make_graphed_callables(graph, (recorded,))
    for seed in (2, 3):
        x = images(2, 3, 64, 96, seed=seed).to(DEVICE)
        with torch.no_grad():
            expected = there(x)[0]
        assert difference(graph(x)[0], expected) < 1e-3  # TF32, other kernels.


@needs_device
@pytest.mark.parametrize("name", KINDS)
def test_distributed_training_gives_the_same_gradients(name, tmp_path):
    net, x = NETWORKS[name]().to(DEVICE), images(2, 3, 64, 64).to(DEVICE)
    expected = gradients_on_cpu(net, x)
    backend, ids = ("nccl", [0]) if ON_CUDA else ("gloo", None)
    store = f"file://{tmp_path}/store"
    dist.init_process_group(backend, init_method=store, rank=0, world_size=1)
    try:
        found = gradients_on_cpu(DistributedDataParallel(net, device_ids=ids), x)
    finally:
        dist.destroy_process_group()
    found = {name.removeprefix("module."): g for name, g in found.items()}
    assert gradient_difference(found, expected) < 1e-4
