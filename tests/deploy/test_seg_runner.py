"""Label maps of an exported file are those of MMSegmentation."""

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmseg.apis import inference_model

from mmlitehrnet.deploy.runner import RUNTIMES, SegRunner
from tests.deploy.models import SMALL, scene
from tests.tools import load_tool

CONFIG = "configs/seg/litehrnet_18_cityscapes_512x1024.py"
SIZE = (128, 256)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    path = tmp_path_factory.mktemp("seg") / "seg.onnx"
    tool, torch_state = load_tool("export_onnx"), torch.get_rng_state()
    config = Config.fromfile(CONFIG)
    config.model.backbone.update(arch=None, extra=SMALL)
    config.model.decode_head.update(in_channels=[16, 32, 64], channels=16)
    torch.manual_seed(0)
    model = tool.load_model(config, None)
    torch.nn.init.normal_(model.decode_head.conv_seg.weight, std=1)
    torch.set_rng_state(torch_state)
    tool.export_onnx(model, path, SIZE)
    return model, path


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_labels_are_those_of_mmsegmentation(exported, runtime):
    model, path = exported
    image = np.ascontiguousarray(scene()[: SIZE[0], : SIZE[1]])
    labels, picture = SegRunner(path, runtime, num_threads=1)(image)
    model.cfg.test_pipeline = [
        dict(type="LoadImageFromFile"),
        dict(type="PackSegInputs"),
    ]
    expected = inference_model(model, image).pred_sem_seg.data[0].numpy()
    assert len(np.unique(expected)) > 3
    assert (labels == expected).mean() > 0.999
    colours = np.array(model.dataset_meta["palette"])[expected][..., ::-1]
    assert (picture == colours).all(-1).mean() > 0.999


def test_images_of_other_sizes_are_resized(exported):
    run = SegRunner(exported[1], num_threads=1)
    labels, picture = run(scene())
    assert labels.shape == (240, 320) and picture.shape == (240, 320, 3)
    assert run.about["classes"][0] == "road"
