"""MMEngine's option `compile` takes the networks, and trains as without it."""

import copy

import pytest
import torch
from mmengine.config import Config
from mmengine.utils import digit_version

from tests.engine.hooks.test_channels_last import trained
from tests.models.backbones.reference import gradient_difference, images
from tests.models.deployed.networks import shallow


def test_compile(tmp_path):
    captured = []

    def recording(graph, inputs):
        captured.append(graph)
        return graph.forward

    # MMEngine writes the config out: it takes the name of a backend.
    torch._dynamo.register_backend(recording)

    def train(name, **cfg):
        return trained(tmp_path / name, lambda: shallow("LITE"), Config(cfg))

    eager = train("eager")
    assert not captured
    compiled = train("compiled", compile=dict(backend="recording"))
    names = [node.name for graph in captured for node in graph.graph.nodes]
    assert sum("conv" in name for name in names) > 20
    for a, b in zip(eager.parameters(), compiled.parameters()):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-12)


# torch 2.1 cannot compile the recomputation of blocks.
@pytest.mark.skipif(
    digit_version(torch.__version__) < digit_version("2.6"), reason="needs torch >= 2.6"
)
@pytest.mark.parametrize("name", ["LITE", "DITE"])
def test_activation_checkpointing_is_compiled(name):
    """Gradients and running statistics of a step are those of the network as it is."""
    eager = shallow(name).double().train()
    net = copy.deepcopy(eager)
    for module in net.modules():
        if hasattr(module, "with_cp"):
            module.with_cp = True
    compiled = torch.compile(net, backend="aot_eager")
    x = images(2, 3, 64, 64, dtype=torch.float64)
    ours, theirs = ({}, {})
    for grads, network, run in ((ours, net, compiled), (theirs, eager, eager)):
        sum(y.square().mean() for y in run(x)).backward()
        # The mask of Dite-HRNet's lowest resolution takes no part.
        parameters = network.named_parameters()
        grads |= {k: p.grad for k, p in parameters if p.grad is not None}
    assert gradient_difference(ours, theirs) < 1e-9
    for key, value in eager.state_dict().items():
        torch.testing.assert_close(net.state_dict()[key], value, rtol=1e-9, atol=1e-12)
