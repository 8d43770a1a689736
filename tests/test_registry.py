"""Which registries get the backbones, whatever is imported when."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

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
                built = models.build(dict(type=net.__name__))
                assert type(built) is net
"""


def run(code: str) -> str:
    """Run code in a fresh interpreter and return what it prints."""
    env = dict(os.environ, PYTHONPATH=str(ROOT))
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        env=env,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("before", ["", "import mmpose.models", "import mmseg.models"])
@pytest.mark.parametrize("after", ["", "import mmpose.models", "import mmpose.apis"])
def test_any_import_order(before, after):
    run(
        f"{before}\n{textwrap.dedent(OURS)}\n{after}\n"
        "import mmlitehrnet\n"
        "check('mmpose', 'mmseg')\n"
        "check('mmseg', 'mmpose')\n"
    )


@pytest.mark.parametrize("before", [True, False])
def test_other_libraries_of_the_family(before):
    models = "import mmdet.models, mmpretrain.models"
    first, second = (models, "") if before else ("", models)
    run(
        f"{first}\n{textwrap.dedent(OURS)}\n{second}\n"
        "check('mmdet', 'mmpretrain')\n"
        "import mmdet.registry, mmpretrain.registry\n"
        "for package in (mmdet, mmpretrain):\n"
        "    theirs = package.registry.MODELS.get('HRNet')\n"
        "    assert theirs.__module__.startswith(package.__name__)\n"
    )


def test_libraries_are_not_imported_for_it():
    code = "import sys; print({'mmdet', 'mmpretrain'} & set(sys.modules))"
    assert run(f"import mmlitehrnet; {code}") == "set()"


def test_imported_again():
    run(
        textwrap.dedent(OURS)
        + textwrap.dedent("""
        check('mmpose')
        mmlitehrnet.registry.register_all()
        check('mmpose', 'mmseg')
        """)
    )


@pytest.mark.parametrize(
    "own, other", [("mmpose", "mmseg.models"), ("mmseg", "mmpose.models")]
)
def test_models_of_the_other_package_are_not_imported(own, other):
    code = f"check({own!r}); import sys; print({other!r} in sys.modules)"
    assert run(textwrap.dedent(OURS) + code) == "False"


@pytest.mark.parametrize(
    "absent, present",
    [(["mmseg"], ["mmpose"]), (["mmpose"], ["mmseg"]), (["mmpose", "mmseg"], [])],
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
        + "import torch; print(LiteHRNet()(torch.rand(1, 3, 64, 64))[0].shape)\n"
    )


def test_broken_packages_are_not_taken_for_absent():
    code = """
    import sys
    from importlib.abc import MetaPathFinder

    class Broken(MetaPathFinder):
        def find_spec(self, name, path, target=None):
            if name == 'mmpose.registry':
                raise ModuleNotFoundError('No module named lost', name='lost')

    sys.meta_path.insert(0, Broken())
    try:
        import mmlitehrnet
    except ModuleNotFoundError as error:
        print(error.name)
    """
    assert run(code) == "lost"


def test_codec_is_registered_with_those_of_mmpose():
    code = """
    import mmlitehrnet, sys
    assert 'mmpose.codecs' not in sys.modules
    from mmpose.registry import KEYPOINT_CODECS
    codec = dict(
        type='MSRAHeatmapBlur', input_size=(192, 256), heatmap_size=(48, 64), sigma=2
    )
    print(type(KEYPOINT_CODECS.build(codec)).__module__)
    """
    assert run(code) == "mmlitehrnet.codecs.msra_heatmap_blur"


def test_existing_config_gets_our_class(tmp_path):
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
