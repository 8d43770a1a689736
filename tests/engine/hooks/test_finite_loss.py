"""A run stops before a loss that is no number reaches a checkpoint."""

import pytest

from mmlitehrnet.checkpoints import load_checkpoint
from tests.robustness.tiny_runner import Line, tiny_runner


class Diverging(Line):
    """Its loss is NaN from the third step on."""

    steps = 0

    def forward(self, x, y, mode="tensor"):
        losses = super().forward(x, y, mode)
        self.steps += 1
        return {
            k: v * (float("nan") if self.steps > 2 else 1) for k, v in losses.items()
        }


def test_a_loss_that_is_no_number_stops_the_run(tmp_path):
    with pytest.raises(FloatingPointError, match="loss is nan at iteration 3"):
        tiny_runner(tmp_path, dict(interval=1), model=Diverging()).train()
    saved = load_checkpoint(tmp_path / "iter_2.pth")["state_dict"]
    assert all(value.isfinite().all() for value in saved.values())
    assert not (tmp_path / "iter_3.pth").exists()
