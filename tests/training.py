"""One step of training as MMEngine's runner takes it, in this process."""

import torch
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from mmengine.runner import Runner

from mmlitehrnet.apis.model import network_from_config


def build_and_step(cfg, batch_size=2):
    """Build what a config says, and train on the first batch of its data.

    Args:
        cfg: Any config of the family; its data must be there.
        batch_size: Samples of the batch.

    Returns:
        The network after the step, and the losses that it logs.
    """
    init_default_scope(cfg.default_scope)
    loader = cfg.train_dataloader
    loader.update(batch_size=batch_size, num_workers=0, persistent_workers=False)
    batch = next(iter(Runner.build_dataloader(loader, seed=0)))
    model = network_from_config(cfg)
    model.init_weights()
    optimizer = build_optim_wrapper(model, cfg.optim_wrapper)
    data = model.train().data_preprocessor(batch, training=True)
    loss, losses = model.parse_losses(model(**data, mode="loss"))
    optimizer.backward(loss)
    idle = [
        n for n, p in model.named_parameters() if p.requires_grad and p.grad is None
    ]
    assert idle == []
    assert torch.isfinite(loss)
    optimizer.step()
    return model, {name: value.detach() for name, value in losses.items()}
