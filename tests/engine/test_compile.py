"""Compiled, the networks train as without it; so does MMEngine's option `compile`."""

import copy

import pytest
import torch
import torch._dynamo
from mmengine.config import Config
from mmengine.utils import digit_version

from tests.models.backbones.reference import gradient_difference, images
from tests.models.deployed.networks import shallow, shallow_table
from tests.robustness.recipes import make_data, train_pose
from tests.robustness.tiny_runner import tiny_runner

GRAPHS = []


# MMEngine writes the config out: it takes the name of a backend.
@torch._dynamo.register_backend
def recording(graph, inputs):
    GRAPHS.append(graph)
    return graph.forward


@pytest.mark.slow
def test_option_of_mmengine(tmp_path):
    """Moving data samples, and steps of the optimizer, are left out."""
    data = make_data("pose", tmp_path / "data", num_train=2)
    same = {
        "optim_wrapper.optimizer.eps": 1e-3,
        "model.backbone.extra": shallow_table("NAIVE"),
        "model.head.in_channels": 16,
        "model.train_cfg": dict(compute_acc=False),
    }
    eager = train_pose(data, tmp_path / "eager", 1, **same).model
    GRAPHS.clear()
    same["compile"] = dict(backend="recording")
    compiled = train_pose(data, tmp_path / "compiled", 1, **same).model
    names = [node.name for graph in GRAPHS for node in graph.graph.nodes]
    assert sum("conv" in name for name in names) > 10
    assert not any("addcdiv" in name for name in names)  # Adam's
    for a, b in zip(eager.parameters(), compiled.parameters()):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-5)


def test_option_of_mmengine_takes_any_model(tmp_path):
    """Such as one that prepares its data itself."""

    class Model(torch.nn.Linear):
        def train_step(self, data, optim_wrapper):
            loss = self(data["x"]).square().mean()
            optim_wrapper.update_params(loss)
            return dict(loss=loss)

    before = len(GRAPHS)
    cfg = Config(dict(compile=dict(backend="recording")))
    tiny_runner(tmp_path, model=Model(4, 1), iters=1, cfg=cfg).train()
    assert len(GRAPHS) > before


# torch 2.1 cannot compile the recomputation of blocks.
@pytest.mark.slow
@pytest.mark.skipif(
    digit_version(torch.__version__) < digit_version("2.6"), reason="needs torch >= 2.6"
)
def test_activation_checkpointing_is_compiled():
    """Gradients and running statistics of a step are those of the network as it is."""
    eager = shallow("LITE").double().train()
    net = copy.deepcopy(eager)
    for module in net.modules():
        if hasattr(module, "with_cp"):
            module.with_cp = True
    compiled = torch.compile(net, backend="aot_eager")
    x = images(2, 3, 64, 64, dtype=torch.float64)
    ours, theirs = ({}, {})
    for grads, network, run in ((ours, net, compiled), (theirs, eager, eager)):
        sum(y.square().mean() for y in run(x)).backward()
        grads |= {name: p.grad for name, p in network.named_parameters()}
    assert gradient_difference(ours, theirs) < 1e-9
    state = net.state_dict()
    for key, value in eager.state_dict().items():
        torch.testing.assert_close(state[key], value, rtol=1e-9, atol=1e-12)
