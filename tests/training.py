"""A step of training and an evaluation, as MMEngine's runner does them."""

import torch
from mmengine.evaluator import Evaluator
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from mmengine.runner import Runner

from mmlitehrnet.apis.model import network_from_config

IN_THIS_PROCESS = dict(num_workers=0, persistent_workers=False)


def check_gradients(model) -> None:
    """Check that every parameter that is to be trained has a gradient."""
    trained = [item for item in model.named_parameters() if item[1].requires_grad]
    assert [name for name, parameter in trained if parameter.grad is None] == []


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
    loader.update(batch_size=batch_size, **IN_THIS_PROCESS)
    batch = next(iter(Runner.build_dataloader(loader, seed=0)))
    model = network_from_config(cfg)
    model.init_weights()
    optimizer = build_optim_wrapper(model, cfg.optim_wrapper)
    data = model.train().data_preprocessor(batch, training=True)
    loss, losses = model.parse_losses(model(**data, mode="loss"))
    optimizer.backward(loss)
    check_gradients(model)
    assert torch.isfinite(loss)
    optimizer.step()
    return model, {name: value.detach() for name, value in losses.items()}


def evaluate(cfg, model):
    """Scores of a network on a config's data for tests."""
    init_default_scope(cfg.default_scope)
    cfg.test_dataloader.update(IN_THIS_PROCESS)
    loader = Runner.build_dataloader(cfg.test_dataloader)
    evaluator = Evaluator(cfg.test_evaluator)
    evaluator.dataset_meta = loader.dataset.metainfo
    with torch.no_grad():
        for batch in loader:
            evaluator.process(model.eval().test_step(batch), batch)
    return evaluator.evaluate(len(loader.dataset))


def on_streets(data_root, size) -> dict:
    """What makes a config of Cityscapes run on small streets, in one process.

    Args:
        data_root: Folder in Cityscapes' format.
        size: Height and width that images are resized and cropped to.

    Returns:
        Options as ``--cfg-options`` takes them.
    """
    size, scale = tuple(size), tuple(size)[::-1]
    options = {
        "model.data_preprocessor.size": size,
        "train_dataloader.dataset.pipeline.2.scale": scale,
        "train_dataloader.dataset.pipeline.3.crop_size": size,
        "test_dataloader.dataset.pipeline.1.scale": scale,
        "val_dataloader.dataset.pipeline.1.scale": scale,
    }
    for part in ("train", "val", "test"):
        options[f"{part}_dataloader.dataset.data_root"] = str(data_root)
        for key, value in IN_THIS_PROCESS.items():
            options[f"{part}_dataloader.{key}"] = value
    return options
