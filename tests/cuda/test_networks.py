"""Networks compute on a CUDA device what they compute on the CPU."""

import copy

import pytest
import torch

from benchmarks.training import grad_scaler
from mmlitehrnet.deploy import switch_to_deploy
from tests.cuda.device import DEVICE, needs_cuda, needs_device
from tests.models.backbones.reference import (
    difference,
    gradient_difference,
    gradients,
    images,
    sane_weights,
)
from tests.models.deployed.networks import FOUR, NETWORKS

SMALL = ["LITE", "NAIVE", "DITE", "SMALL"]
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
    with torch.no_grad():
        for a, b in zip(there(x.to(DEVICE)), net(x)):
            assert difference(a.cpu(), b) < 1e-9
    expected = gradients_on_cpu(net, x)
    found = gradients_on_cpu(there, x.to(DEVICE))
    assert gradient_difference(found, expected) < 1e-8
    statistics = dict(there.named_buffers())
    for key, value in net.named_buffers():
        torch.testing.assert_close(statistics[key].cpu(), value, rtol=1e-8, atol=1e-10)


@needs_device
@pytest.mark.parametrize("name", SMALL)
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
    """Mixed, and of deployed networks as a whole.

    Default initialisation: chaotic weights would only show their chaos.
    """
    if DEVICE.type == "cpu":
        dtype = torch.bfloat16
    net = FOUR[name]().eval()
    for module in net.modules():
        if isinstance(module, torch.nn.Conv2d):
            module.reset_parameters()
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
@pytest.mark.parametrize("name", SMALL)
def test_mixed_precision_trains(name):
    dtype = torch.float16 if DEVICE.type == "cuda" else torch.bfloat16
    net = NETWORKS[name]().to(DEVICE).train()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.02)
    scaler = grad_scaler(enabled=DEVICE.type == "cuda")
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


@needs_device
@pytest.mark.parametrize("name", NETWORKS)
def test_deployed_networks_are_equal(name):
    net, _ = pair(NETWORKS[name])
    deployed = switch_to_deploy(net).to(DEVICE)
    x = images(2, 3, 64, 96, dtype=torch.float64)
    with torch.no_grad():
        for a, b in zip(deployed(x.to(DEVICE)), net(x)):
            assert difference(a.cpu(), b) < 1e-8


@needs_cuda
@pytest.mark.parametrize("deploy", [False, True])
@pytest.mark.parametrize("name", SMALL)
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


DISTRIBUTED = """
import sys
import torch
from torch.distributed import destroy_process_group, init_process_group
from torch.nn.parallel import DistributedDataParallel
from tests.models.backbones.reference import gradient_difference, gradients, images
from tests.models.deployed.networks import NETWORKS

backend, device, store, name = sys.argv[1:]
device = torch.device(device, 0) if device == "cuda" else torch.device(device)
init_process_group(backend, init_method=f"file://{store}", rank=0, world_size=1)
torch.manual_seed(0)
net = NETWORKS[name]().to(device)
x = images(2, 3, 64, 64).to(device)
expected = {k: g.clone() for k, g in gradients(net, x).items() if g is not None}
ids = [0] if device.type == "cuda" else None
found = gradients(DistributedDataParallel(net, device_ids=ids), x)
found = {k.removeprefix("module."): g for k, g in found.items() if g is not None}
destroy_process_group()
print(gradient_difference(found, expected))
"""


@needs_device
@pytest.mark.parametrize("name", SMALL)
def test_distributed_training_gives_the_same_gradients(name, tmp_path):
    from tests.running import run_python

    backend = "nccl" if DEVICE.type == "cuda" else "gloo"
    script = [DISTRIBUTED, backend, DEVICE.type, tmp_path / "store", name]
    output = run_python("-c", *script, timeout=120).stdout
    assert float(output.split()[-1]) < 1e-4
