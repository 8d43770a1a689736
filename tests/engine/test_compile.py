"""MMEngine's option `compile` takes the networks, and trains as without it."""

import torch
from mmengine.config import Config

from tests.deploy.test_deploy import shallow
from tests.engine.hooks.test_channels_last import trained


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
