"""Extreme inputs, reproducibility, memory, and reduced precision."""

import pytest
import torch

from tests.models.deployed.networks import FOUR
from tests.robustness.recipes import TINY, make_data, train_pose

EXTREMES = {
    "all black": lambda x: torch.zeros_like(x),
    "all white": lambda x: torch.ones_like(x) * 255,
    "huge contrast": lambda x: (x > 0) * 1e6 - 5e5,
    "one bright line": lambda x: (x == x[..., 5:6]) * 1e6,
    "tiny contrast": lambda x: x * 1e-20,
}


@pytest.mark.parametrize("extreme", EXTREMES.values(), ids=EXTREMES)
@pytest.mark.parametrize("name", FOUR)
def test_gradients_stay_finite(name, extreme):
    net = FOUR[name](**TINY[name]).train()
    x = extreme(torch.randn(2, 3, 64, 64)).requires_grad_()
    (y,) = net(x)
    (y - 1).square().mean().backward()
    assert y.isfinite().all() and x.grad.isfinite().all()
    for key, parameter in net.named_parameters():
        assert parameter.grad is None or parameter.grad.isfinite().all(), key
    for key, buffer in net.named_buffers():
        assert buffer.isfinite().all(), key


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return make_data("pose", tmp_path_factory.mktemp("run") / "data")


def losses_and_weights(*arguments, **changes):
    runner = train_pose(*arguments, **changes)
    log = runner.message_hub.get_scalar("train/loss").data[0].tolist()
    return log, runner.model.state_dict()


@pytest.mark.slow
def test_the_same_seed_gives_the_same_run(data, tmp_path):
    same = dict(randomness=dict(seed=0, deterministic=True))
    try:
        losses, weights = losses_and_weights(data, tmp_path / "1", **same)
        again, twice = losses_and_weights(data, tmp_path / "2", **same)
        other = dict(randomness=dict(seed=1, deterministic=True))
        differing, _ = losses_and_weights(data, tmp_path / "3", **other)
    finally:
        torch.use_deterministic_algorithms(False)
    assert losses == again and len(losses) == 2
    assert all(torch.equal(weights[name], twice[name]) for name in weights)
    assert differing != losses


def kept_bytes(net, x):
    """Size of what a forward pass keeps for the backward pass, in bytes."""
    kept = {}

    def pack(tensor):
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        out = net(x)
    return sum(kept.values()), out


@pytest.mark.parametrize("name", FOUR)
def test_checkpointing_lowers_the_memory(name):
    x = torch.randn(2, 3, 64, 64)
    plain = FOUR[name](**TINY[name]).train()
    saving = FOUR[name](**TINY[name], with_cp=True).train()
    saving.load_state_dict(plain.state_dict())
    much, out = kept_bytes(plain, x)
    little, same = kept_bytes(saving, x)
    assert torch.equal(out[0], same[0])
    assert little < 0.75 * much


@pytest.mark.slow
def test_bfloat16_follows_float32(data, tmp_path):
    full, weights = losses_and_weights(data, tmp_path / "1")
    changes = {
        "optim_wrapper.type": "Bfloat16OptimWrapper",
        "model.train_cfg": dict(compute_acc=False),
    }
    half, others = losses_and_weights(data, tmp_path / "2", **changes)
    # It is another precision, and the same training.
    assert half != full and half == pytest.approx(full, rel=0.05)
    assert half[1] != pytest.approx(half[0], rel=0.05)
    assert all(value.dtype != torch.bfloat16 for value in others.values())
