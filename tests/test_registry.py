"""Which registries get the backbones, whatever is imported when."""

import json
import os
import subprocess
import sys
import textwrap

import pytest

from tests.running import ROOT

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


#: Imports what all libraries need and nothing that is tested here, which takes most of
#: the time, and then runs each line that it reads in a fork.
SERVER = """
import json, os, sys, tempfile, traceback
import cv2, matplotlib.pyplot, mmcv.cnn, mmcv.transforms, mmengine.runner, scipy.stats
import torchvision
assert not {"mmdet", "mmlitehrnet", "mmpose", "mmpretrain", "mmseg"} & set(sys.modules)
for line in sys.stdin:
    with tempfile.TemporaryFile("w+") as printed:
        child = os.fork()
        if not child:
            status = 1
            try:
                os.dup2(printed.fileno(), 1)
                os.dup2(printed.fileno(), 2)
                exec(json.loads(line), {"__name__": "__main__"})
                sys.stdout.flush()
                status = 0
            except BaseException:
                traceback.print_exc()
            os._exit(status)
        status = os.waitpid(child, 0)[1]
        printed.seek(0)
        print(json.dumps([status, printed.read()]), flush=True)
"""


@pytest.fixture(scope="module")
def run():
    """Run code in a new interpreter and return what it prints."""
    server = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", SERVER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=dict(os.environ, PYTHONPATH=str(ROOT), OMP_NUM_THREADS="1"),
    )

    def run(code):
        server.stdin.write(json.dumps(textwrap.dedent(code)) + "\n")
        server.stdin.flush()
        status, printed = json.loads(server.stdout.readline())
        assert status == 0, printed
        return printed.strip()

    with server:
        yield run


@pytest.mark.parametrize(
    "before, after",
    [
        ("", "import mmpose.apis, mmseg.models"),
        ("import mmseg.models", "import mmpose.models"),
    ],
)
def test_any_import_order(run, before, after):
    run(
        f"{before}\n{textwrap.dedent(OURS)}\n{after}\n"
        "check('mmpose', 'mmseg')\n"
        "mmlitehrnet.registry.register_all()  # Once more.\n"
        "check('mmseg', 'mmpose')\n"
    )


@pytest.mark.parametrize("before", [True, False])
def test_other_libraries_of_the_family(run, before):
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
def test_absent_packages(run, absent, present):
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
        + "import torch; print(LiteHRNet()(torch.rand(1, 3, 64, 64))[0].shape)\n"
    )


def test_existing_config_gets_our_class(run, tmp_path):
    config = tmp_path / "config.py"
    config.write_text(
        "_base_ = 'mmpose::body_2d_keypoint/topdown_heatmap/coco/"
        "td-hm_litehrnet-18_8xb64-210e_coco-256x192.py'\n"
        "custom_imports = dict(imports=['mmlitehrnet'], allow_failed_imports=False)\n"
    )
    code = f"""
    from mmengine.config import Config
    from mmengine.registry import init_default_scope
    cfg = Config.fromfile({str(config)!r})
    init_default_scope(cfg.default_scope)
    from mmpose.registry import MODELS
    print(type(MODELS.build(cfg.model).backbone).__module__)
    """
    assert run(code) == "mmlitehrnet.models.backbones.lite_hrnet"


@pytest.mark.parametrize("before", ["", "import mmlitehrnet"])
def test_another_projects_registry_keeps_its_class_of_our_name(run, before):
    run(f"""
        {before}
        from mmengine.registry import MODELS, Registry
        PROJECT = Registry("models", parent=MODELS, scope="project")
        @PROJECT.register_module()
        class LiteHRNet: pass
        import mmlitehrnet
        assert PROJECT.module_dict["LiteHRNet"] is PROJECT.get("LiteHRNet") is LiteHRNet
    """)


def test_a_class_of_our_name_that_is_in_a_library_stays(run):
    run("""
        from mmpose.registry import MODELS
        @MODELS.register_module()
        class DiteHRNet: pass
        import mmlitehrnet
        assert MODELS.module_dict["DiteHRNet"] is MODELS.get("DiteHRNet") is DiteHRNet
    """)


def test_our_modules_are_in_the_dict_once_the_librarys_are(run):
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
