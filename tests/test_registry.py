"""Which registries get the backbones, whatever is imported when."""

import multiprocessing
import textwrap

import pytest

OURS = """
    import mmlitehrnet
    from mmlitehrnet import DiteHRNet, LiteHRNet, NaiveLiteHRNet, SmallHRNet
    NETS = [DiteHRNet, LiteHRNet, NaiveLiteHRNet, SmallHRNet]

    def check(*packages):
        from importlib import import_module
        for package in packages:
            models = import_module(package + '.registry').MODELS
            for net in NETS:
                assert models.get(net.__name__) is net, (package, net)
            assert type(models.build(dict(type='LiteHRNet'))) is LiteHRNet
"""


#: What all libraries need and nothing that is tested here: most of the time.
COMMON = (
    *("cv2", "matplotlib.pyplot", "mmcv.cnn", "mmcv.transforms", "mmengine.runner"),
    *("scipy.stats", "torchvision"),
)
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(list(COMMON))
FIRST = """
    import sys
    tested = {"mmdet", "mmlitehrnet", "mmpose", "mmpretrain", "mmseg"}
    assert not tested & set(sys.modules)
"""


def run(code):
    """Run code in a process that has imported only what all libraries need."""
    code = textwrap.dedent(FIRST) + textwrap.dedent(code)
    process = FORKS.Process(target=exec, args=(code, {"__name__": "__main__"}))
    process.start()
    process.join()
    assert process.exitcode == 0


@pytest.mark.parametrize(
    "before, after",
    [
        ("", "import mmpose.apis, mmseg.models"),
        ("import mmseg.models", "import mmpose.models"),
    ],
)
def test_any_import_order(before, after):
    run(
        f"{before}\n{textwrap.dedent(OURS)}\n{after}\n"
        "check('mmpose', 'mmseg')\n"
        "mmlitehrnet.registry.register_all()  # Once more.\n"
        "check('mmseg', 'mmpose')\n"
    )


@pytest.mark.parametrize("before", [True, False])
def test_other_libraries_of_the_family(before):
    models = "import mmdet.models, mmpretrain.models"
    # They are not imported for it.
    first = models if before else "import sys"
    second = f"assert not {{'mmdet', 'mmpretrain'}} & set(sys.modules)\n{models}"
    run(
        f"{first}\n{textwrap.dedent(OURS)}\n{'' if before else second}\n"
        "check('mmdet', 'mmpretrain')\n"
        "import mmdet.registry, mmpretrain.registry\n"
        "for package in (mmdet, mmpretrain):\n"
        "    networks = package.registry.MODELS.module_dict  # that tools read\n"
        "    assert all(networks[net.__name__] is net for net in NETS)\n"
        "    theirs = package.registry.MODELS.get('HRNet')\n"
        "    assert theirs.__module__.startswith(package.__name__)\n"
    )


@pytest.mark.parametrize(
    "absent, present",
    [(["mmseg"], ["mmpose"]), (["mmpose", "mmseg"], [])],
)
def test_absent_packages(absent, present):
    code = f"""
    import sys
    from importlib.abc import MetaPathFinder

    class Absent(MetaPathFinder):
        def find_spec(self, name, path, target=None):
            if name.split('.')[0] in {absent}:
                raise ModuleNotFoundError(f'No module named {{name}}', name=name)

    sys.meta_path.insert(0, Absent())
    """
    run(
        textwrap.dedent(code)
        + textwrap.dedent(OURS)
        + f"check(*{present})\n"
        + "import torch; LiteHRNet()(torch.rand(1, 3, 64, 64))\n"
    )


@pytest.mark.parametrize("before", ["", "import mmlitehrnet"])
def test_another_projects_registry_keeps_its_class_of_our_name(before):
    run(f"""
        {before}
        from mmengine.registry import MODELS, Registry
        PROJECT = Registry("models", parent=MODELS, scope="project")
        @PROJECT.register_module()
        class LiteHRNet: pass
        import mmlitehrnet
        assert PROJECT.module_dict["LiteHRNet"] is PROJECT.get("LiteHRNet") is LiteHRNet
    """)


def test_a_class_of_our_name_that_is_in_a_library_stays():
    run("""
        from mmpose.registry import MODELS
        @MODELS.register_module()
        class DiteHRNet: pass
        import mmlitehrnet
        assert MODELS.module_dict["DiteHRNet"] is MODELS.get("DiteHRNet") is DiteHRNet
    """)


def test_our_modules_are_in_the_dict_once_the_librarys_are():
    """Tools such as mmdeploy read `module_dict` in the place of asking `get`."""
    run("""
        import mmlitehrnet.registry
        mmlitehrnet.registry.register_all()  # Once more.
        from mmpose.registry import DATASETS, MODELS
        from mmpose.utils import register_all_modules
        assert "LiteHRNet" not in MODELS.module_dict  # nothing is imported for it
        from mmpose.registry import KEYPOINT_CODECS
        sizes = dict(input_size=(192, 256), heatmap_size=(48, 64), sigma=2)
        codec = KEYPOINT_CODECS.build(dict(type="MSRAHeatmapBlur", **sizes))
        assert type(codec).__module__ == "mmlitehrnet.codecs.msra_heatmap_blur"
        register_all_modules()
        for name in ("LiteHRNet", "DiteHRNet", "SmallHRNet"):
            assert MODELS.module_dict[name] is getattr(mmlitehrnet, name)
        found = DATASETS.module_dict["CheckedCocoDataset"]
        assert found.__module__.startswith("mmlite")
        from mmseg.registry import DATASETS, MODELS
        from mmseg.utils import register_all_modules
        register_all_modules()
        assert MODELS.module_dict["LiteHRNet"] is mmlitehrnet.LiteHRNet
        found = DATASETS.module_dict["CheckedCityscapesDataset"]
        assert found.__module__.startswith("mmlite")
    """)
