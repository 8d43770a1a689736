"""ImageNet classification by MMPretrain, and its weights in other networks."""

import pytest
import torch
from mmengine import Config

from mmlitehrnet.apis.model import network_from_config
from mmlitehrnet.checkpoints import load_checkpoint
from mmlitehrnet.models.necks.concat_average_pooling import ConcatAveragePooling
from sample_data import make_imagenet
from tests.running import ROOT, SHORT, mim


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with `data/imagenet`, as the configs expect it."""
    path = tmp_path_factory.mktemp("run")
    make_imagenet(path / "data/imagenet", 6, 6, size=(64, 80), quiet=True)
    return path


@pytest.fixture(scope="module")
def checkpoint(folder):
    """What `mim train mmpretrain` leaves of Lite-HRNet-18 after three steps."""
    config = ROOT / "configs/cls/litehrnet_18_in1k.py"
    train = ["train", "mmpretrain", config, "--work-dir", "work"]
    options = ["train_cfg.max_epochs=1", "train_dataloader.dataset.pipeline.1.scale=64"]
    log = mim(*train, *SHORT, *options, cwd=folder)
    assert "Epoch(train) [1][3/3]" in log
    assert "accuracy/top5" in log
    return folder / "work/epoch_1.pth"


def test_images_are_normalised_as_those_of_the_pose_configs():
    ours = Config.fromfile(ROOT / "configs/cls/litehrnet_18_in1k.py")
    pose = Config.fromfile(ROOT / "configs/pose/litehrnet_18_coco_256x192.py")
    for key in ("mean", "std"):
        theirs = pose.model.data_preprocessor[key]
        assert ours.data_preprocessor[key] == pytest.approx(theirs)


@pytest.mark.slow
@pytest.mark.parametrize(
    "config, new",
    [
        # What starts anew: the iterative head, which classification has not.
        ("pose/litehrnet_18_coco_256x192.py", "head_layer."),
        ("seg/litehrnet_18_cityscapes_512x1024.py", None),
        ("det/litehrnet_18_gfl_person_416x416.py", None),
    ],
)
def test_weights_initialise_other_networks(checkpoint, tmp_path, config, new):
    ours = tmp_path / "config.py"
    ours.write_text(
        f"_base_ = {str(ROOT / 'configs' / config)!r}\n"
        "model = dict(backbone=dict(init_cfg=dict(type='Pretrained',"
        f" checkpoint={str(checkpoint)!r}, prefix='backbone.')))\n"
    )
    model = network_from_config(Config.fromfile(ours))
    model.init_weights()
    trained = load_checkpoint(checkpoint)["state_dict"]
    missing = []
    for name, value in model.backbone.state_dict().items():
        if f"backbone.{name}" in trained:
            assert torch.equal(value, trained[f"backbone.{name}"]), name
        else:
            missing.append(name)
    if new is None:
        assert missing == []
    else:
        assert missing and all(name.startswith(new) for name in missing)


def test_pooling_averages_and_normalises_each_channel():
    maps = [100 * torch.rand(4, 3, 4, 5), torch.rand(4, 2, 1, 3)]
    neck = ConcatAveragePooling(5)
    (pooled,) = neck(maps)
    assert pooled.shape == (4, 5)
    torch.testing.assert_close(pooled.mean(0), torch.zeros(5), atol=1e-5, rtol=0)
    (pooled,) = ConcatAveragePooling(5).eval()(maps)
    torch.testing.assert_close(
        pooled[:, 1], maps[0][:, 1].mean((1, 2)), rtol=1e-4, atol=0
    )
    torch.testing.assert_close(
        pooled[:, 4], maps[1][:, 1].mean((1, 2)), rtol=1e-4, atol=0
    )
    # A batch of one sample.
    assert neck([x[:1] for x in maps])[0].shape == (1, 5)
