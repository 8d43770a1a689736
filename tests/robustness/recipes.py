"""The shipped configs, made small: tiny networks, tiny data, no workers."""

from pathlib import Path

from mmengine import Config
from mmengine.runner import Runner

from sample_data import make_cityscapes, make_coco
from tests.running import ROOT
from tests.training import IN_THIS_PROCESS, on_streets

WIDTHS = (8, 16, 24, 32)
STAGES = dict(
    stages_spec=dict(
        num_modules=(1, 1, 1), num_channels=[WIDTHS[:count] for count in (2, 3, 4)]
    )
)


def _hrnet_stage(branches: int) -> dict:
    return dict(
        num_modules=1,
        num_branches=branches,
        block="BOTTLENECK" if branches == 1 else "BASIC",
        num_blocks=(1,) * branches,
        num_channels=WIDTHS[:branches],
    )


#: Backbone -> arguments of a network of one module a stage.
TINY = {
    "LiteHRNet": dict(extra=STAGES),
    "NaiveLiteHRNet": dict(extra=STAGES),
    "DiteHRNet": dict(extra=STAGES),
    # `extra` would be read as the library's HRNet that is in scope.
    "SmallHRNet": dict(arch={f"stage{n}": _hrnet_stage(n) for n in (1, 2, 3, 4)}),
}
SIZES = {"pose": (64, 64), "seg": (64, 128)}  # height, width
CONFIGS = {
    "pose": "configs/pose/litehrnet_18_coco_256x192.py",
    "seg": "configs/seg/litehrnet_18_cityscapes_512x1024.py",
}


def make_data(task: str, folder: Path, num_train: int = 4, num_val: int = 3) -> Path:
    """Small generated data in the format that the config of a task reads."""
    make, size = {
        "pose": (make_coco, (96, 96)),
        "seg": (make_cityscapes, SIZES["seg"]),
    }[task]
    return make(folder, num_train, num_val, size=size, quiet=True)


def small_config(task: str, data_root: Path, backbone: str = "LiteHRNet") -> Config:
    """A shipped config, small enough to train a step in a tenth of a second."""
    cfg = Config.fromfile(ROOT / CONFIGS[task])
    cfg.default_hooks.logger.interval = 1
    cfg.randomness = dict(seed=0)
    cfg.train_dataloader.batch_size = 2
    cfg.model.backbone = dict(type=backbone, **TINY[backbone])
    if task == "seg":
        cfg.merge_from_dict(on_streets(data_root, SIZES["seg"]))
        maps = dict(with_head=False, out_indices=(0, 1, 2), norm_cfg=cfg.norm_cfg)
        cfg.model.backbone.update(maps)
        cfg.model.decode_head.in_channels = list(WIDTHS[:3])
        return cfg
    height, width = SIZES["pose"]
    sizes = dict(input_size=(width, height), heatmap_size=(width // 4, height // 4))
    codec = dict(type="MSRAHeatmap", sigma=1, **sizes)
    for part in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
        part.update(IN_THIS_PROCESS)
        part.dataset.data_root = f"{data_root}/"
        steps = {step.type: step for step in part.dataset.pipeline}
        steps["TopdownAffine"].input_size = sizes["input_size"]
        if "GenerateTarget" in steps:
            steps["GenerateTarget"].encoder = codec
        if part.dataset.get("bbox_file"):
            boxes = part.dataset.bbox_file.rsplit("/", 1)[-1]
            part.dataset.bbox_file = f"{data_root}/person_detection_results/{boxes}"
    cfg.model.head.update(in_channels=WIDTHS[0], decoder=codec)
    ann_file = f"{data_root}/annotations/person_keypoints_val2017.json"
    cfg.val_evaluator.ann_file = cfg.test_evaluator.ann_file = ann_file
    return cfg


def train_pose(data_root: Path, work_dir: Path, steps: int = 2, **changes) -> Runner:
    """Train the small pose estimator, random augmentation included.

    Args:
        data_root: Folder of the data.
        work_dir: Another folder for each run.
        steps: How many.
        changes: What to change in the config, as of ``--cfg-options``.

    Returns:
        The runner that has trained.
    """
    cfg = small_config("pose", data_root)
    cfg.merge_from_dict(changes)
    cfg.update(work_dir=str(work_dir), log_level="ERROR")
    cfg.experiment_name = work_dir.name
    cfg.train_cfg = dict(type="IterBasedTrainLoop", max_iters=steps)
    cfg.param_scheduler = None
    cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    cfg.default_hooks.checkpoint.update(by_epoch=False, save_best=None)
    runner = Runner.from_cfg(cfg)
    runner.train()
    return runner
