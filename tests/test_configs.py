"""Every config builds a network of ours that trains and predicts."""

import re
from pathlib import Path

import pytest
import torch
from mmengine import Config
from mmengine.structures import InstanceData, PixelData

from mmlitehrnet.apis.model import config_input_size, network_from_config
from mmlitehrnet.models import backbones

ROOT = Path(__file__).parents[1] / "configs"
CONFIGS = sorted(
    str(path.relative_to(ROOT))
    for path in ROOT.rglob("*.py")
    if "_base_" not in path.parts
)
# Those with the papers' data and recipe.
POSE = [name for name in CONFIGS if re.match(r"pose/(ablations/)?\w+\.py", name)]
# Where the size is not the point, a small one does.
SMALL_SIZE = (64, 64)


def load(name):
    return Config.fromfile(ROOT / name)


def pose_batch(cfg, height, width):
    from mmpose.testing import get_packed_inputs

    batch = get_packed_inputs(
        2,
        num_keypoints=cfg.model.head.out_channels,
        img_shape=(height, width),
        input_size=(width, height),
        heatmap_size=(width // 4, height // 4),
    )
    for sample in batch["data_samples"]:
        count = cfg.model.head.out_channels
        sample.set_metainfo(dict(flip_indices=list(range(count))))
    return batch


def seg_batch(cfg, height, width):
    from mmseg.structures import SegDataSample

    classes = cfg.model.decode_head.num_classes
    samples = []
    for _ in range(2):
        shape = dict(img_shape=(height, width), ori_shape=(height, width))
        labels = torch.randint(classes, (1, height, width))
        sample = SegDataSample(gt_sem_seg=PixelData(data=labels), metainfo=shape)
        samples.append(sample)
    images = [torch.randint(256, (3, height, width)).byte() for _ in samples]
    return dict(inputs=images, data_samples=samples)


def det_batch(cfg, height, width):
    from mmdet.structures import DetDataSample

    shape = dict(img_shape=(height, width), ori_shape=(height, width))
    samples = []
    for _ in range(2):
        boxes = torch.tensor([[4.0, 4.0, width - 9, height - 9], [20, 10, 40, 50]])
        labels = torch.tensor([0, cfg.model.bbox_head.num_classes - 1])
        truth = InstanceData(bboxes=boxes, labels=labels)
        sample = DetDataSample(metainfo=dict(shape, scale_factor=(1.0, 1.0)))
        sample.gt_instances = truth
        samples.append(sample)
    images = [torch.randint(256, (3, height, width)).byte() for _ in samples]
    return dict(inputs=images, data_samples=samples)


def cls_batch(cfg, height, width):
    from mmpretrain.structures import DataSample

    images = torch.randint(256, (2, 3, height, width)).byte()
    samples = [DataSample().set_gt_label(label) for label in (0, 999)]
    return dict(inputs=images, data_samples=samples)


def check_pose(cfg, predictions, height, width):
    count = cfg.model.head.out_channels
    for sample in predictions:
        assert sample.pred_instances.keypoints.shape == (1, count, 2)
        assert sample.pred_instances.keypoint_scores.shape == (1, count)


def check_seg(cfg, predictions, height, width):
    for sample in predictions:
        assert sample.pred_sem_seg.data.shape == (1, height, width)


def check_det(cfg, predictions, height, width):
    for sample in predictions:
        found = sample.pred_instances
        assert found.bboxes.shape == (len(found.scores), 4)
        assert torch.isfinite(found.bboxes).all()


def check_cls(cfg, predictions, height, width):
    for sample in predictions:
        assert sample.pred_score.shape == (1000,)
        torch.testing.assert_close(sample.pred_score.sum(), torch.tensor(1.0))


# default scope -> a batch as the data loader gives it, a check of the predictions
TASKS = {
    "mmpose": (pose_batch, check_pose),
    "mmseg": (seg_batch, check_seg),
    "mmdet": (det_batch, check_det),
    "mmpretrain": (cls_batch, check_cls),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_trains_and_predicts(name):
    torch.manual_seed(0)
    cfg = load(name)
    assert cfg.custom_imports.imports[0] == "mmlitehrnet"
    own_size = name.startswith("pose/") and "ablations" not in name
    size = config_input_size(cfg) if own_size else SMALL_SIZE
    if "size" in cfg.model.get("data_preprocessor", {}):
        cfg.model.data_preprocessor.size = size
    model = network_from_config(cfg)
    make_batch, check = TASKS[cfg.default_scope]

    ours = getattr(backbones, cfg.model.backbone.type)
    assert type(model.backbone) is ours
    assert ours.__module__.startswith("mmlitehrnet.")

    model.train()
    data = model.data_preprocessor(make_batch(cfg, *size), training=True)
    loss, _ = model.parse_losses(model(**data, mode="loss"))
    loss.backward()
    assert torch.isfinite(loss)
    assert [
        n for n, p in model.named_parameters() if p.requires_grad and p.grad is None
    ] == []

    model.eval()
    with torch.no_grad():
        data = model.data_preprocessor(make_batch(cfg, *size), training=False)
        check(cfg, model(**data, mode="predict"), *size)


def pipeline_steps(dataloader):
    return {step.type: step for step in dataloader.dataset.pipeline}


@pytest.mark.parametrize("name", POSE)
def test_pose_config_is_consistent(name):
    cfg = load(name)
    width, height = cfg.codec.input_size
    assert f"{height}x{width}" in name
    assert cfg.codec.heatmap_size == (width // 4, height // 4)
    assert cfg.codec.sigma == (3 if height == 384 else 2)
    assert cfg.model.head.decoder == cfg.codec
    assert cfg.val_dataloader == cfg.test_dataloader
    train = pipeline_steps(cfg.train_dataloader)
    assert train["GenerateTarget"].encoder == cfg.codec
    for steps in (train, pipeline_steps(cfg.test_dataloader)):
        assert steps["TopdownAffine"].input_size == cfg.codec.input_size
    coco = "_coco_" in name
    assert cfg.model.head.out_channels == (17 if coco else 16)
    assert cfg.default_hooks.checkpoint.save_best == ("coco/AP" if coco else "PCK")
    assert ("RandomHalfBody" in train) == coco
    assert ("RandomBBoxShift" in train) == coco


@pytest.mark.parametrize("name", POSE)
def test_pose_recipe_is_the_papers(name):
    cfg = load(name)
    assert cfg.optim_wrapper.optimizer == dict(type="Adam", lr=2e-3)
    per_gpu = cfg.train_dataloader.batch_size
    assert (per_gpu, cfg.auto_scale_lr.base_batch_size) == (32, 8 * 32)
    turn = pipeline_steps(cfg.train_dataloader)["RandomScaleRotation"]
    factors = (turn.scale_factor, turn.rotate_factor, turn.rotate_prob)
    assert factors == (0.25, 30, 0.6)
    warm_up, decay = cfg.param_scheduler
    assert (warm_up.end, warm_up.by_epoch, warm_up.start_factor) == (500, False, 0.001)
    assert decay.milestones == [170, 200]
    assert cfg.model.test_cfg.flip_test
    assert cfg.codec.type == "MSRAHeatmapBlur"
    # As the released configs of Dite-HRNet.
    dite = {"coco": 270, "mpii": 260}[cfg.data_root.split("/")[1]]
    is_dite = cfg.model.backbone.type == "DiteHRNet"
    assert cfg.train_cfg.max_epochs == (dite if is_dite else 210)


def test_command_line_options_reach_the_data():
    cfg = load("pose/litehrnet_18_coco_256x192.py")
    cfg.merge_from_dict(
        {
            "train_dataloader.batch_size": 2,
            "train_dataloader.dataset.data_root": "elsewhere/",
            "train_dataloader.dataset.pipeline.5.rotate_factor": 60,
            "default_hooks.checkpoint.max_keep_ckpts": 1,
        }
    )
    assert cfg.train_dataloader.batch_size == 2
    assert cfg.train_dataloader.dataset.data_root == "elsewhere/"
    assert cfg.train_dataloader.dataset.pipeline[5].rotate_factor == 60
