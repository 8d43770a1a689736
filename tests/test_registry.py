"""Which registries get the backbones, whatever is imported when."""

import multiprocessing
import textwrap

import pytest

#: What all libraries need and nothing that is tested here: most of the time.
COMMON = (
    *("cv2", "matplotlib.pyplot", "mmcv.cnn", "mmcv.transforms", "mmengine.runner"),
    *("scipy.stats", "torchvision"),
)
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(list(COMMON))
START = """
import sys
from importlib import import_module
FAMILY = {"mmdet", "mmpose", "mmpretrain", "mmseg"}
assert not {"mmlitehrnet", *FAMILY} & set(sys.modules)
"""
CHECK = """
from mmlitehrnet import DiteHRNet, LiteHRNet, NaiveLiteHRNet, SmallHRNet

def check(package):
    models = import_module(package + ".registry").MODELS
    for net in (DiteHRNet, LiteHRNet, NaiveLiteHRNet, SmallHRNet):
        # Tools such as mmdeploy read the dict in the place of asking `get`.
        assert models.get(net.__name__) is net, (package, net)
        assert models.module_dict[net.__name__] is net, (package, net)
    assert type(models.build(dict(type="LiteHRNet"))) is LiteHRNet
    assert models.get("HRNet").__module__.startswith(package + ".")
"""


def run(code):
    """Run code in a process that has imported only what all libraries need."""
    code = START + textwrap.dedent(code)
    process = FORKS.Process(target=exec, args=(code, {"__name__": "__main__"}))
    process.start()
    process.join()
    assert process.exitcode == 0


@pytest.mark.parametrize("before", [[], ["mmpose", "mmdet"], ["mmseg", "mmpretrain"]])
def test_any_import_order(before):
    run(
        f"BEFORE = {before}\n"
        "for package in BEFORE: import_module(package + '.models')\n"
        f"{CHECK}\n"
        "assert BEFORE or not FAMILY & set(sys.modules)  # none is imported for it\n"
        "for package in FAMILY: check(package)\n"
        "import mmlitehrnet.registry\n"
        "mmlitehrnet.registry.register_all()  # Once more.\n"
        "for package in FAMILY: check(package)\n"
    )


def test_absent_packages():
    code = """
    from importlib.abc import MetaPathFinder

    class Absent(MetaPathFinder):
        def find_spec(self, name, path, target=None):
            if name.split(".")[0] in ("mmpose", "mmseg"):
                raise ModuleNotFoundError(f"No module named {name}", name=name)

    sys.meta_path.insert(0, Absent())
    """
    run(
        f"{textwrap.dedent(code)}\n{CHECK}\ncheck('mmdet')\n"
        "import torch; LiteHRNet()(torch.rand(1, 3, 64, 64))\n"
    )


def test_other_classes_of_our_names_stay_where_they_are():
    run("""
        from mmengine.registry import MODELS, Registry
        import mmpose.registry
        first = Registry("models", parent=MODELS, scope="first")
        second = Registry("models", parent=MODELS, scope="second")
        class DiteHRNet: pass
        others = first, mmpose.registry.MODELS, second
        for registry in others:
            registry.register_module(module=DiteHRNet)
            if registry is not first:
                import mmlitehrnet
        for registry in others:
            found = registry.get("DiteHRNet")
            assert registry.module_dict["DiteHRNet"] is found is DiteHRNet
    """)


def test_our_modules_are_in_the_dict_once_the_librarys_are():
    run("""
        import mmlitehrnet
        from mmpose.registry import DATASETS, KEYPOINT_CODECS
        sizes = dict(input_size=(192, 256), heatmap_size=(48, 64), sigma=2)
        codec = KEYPOINT_CODECS.build(dict(type="MSRAHeatmapBlur", **sizes))
        assert type(codec).__module__ == "mmlitehrnet.codecs.msra_heatmap_blur"
        for package, name in (("mmpose", "Coco"), ("mmseg", "Cityscapes")):
            import_module(package + ".utils").register_all_modules()
            datasets = import_module(package + ".registry").DATASETS
            found = datasets.module_dict[f"Checked{name}Dataset"]
            assert found.__module__.startswith("mmlitehrnet.")
    """)
