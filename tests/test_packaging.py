"""The source distribution and the wheel hold all that people run."""

import os
import re
import runpy
import shutil
import subprocess
import sys
import sysconfig
import tarfile
from pathlib import Path

import modelindex
import pytest
import yaml
from mmengine import Config

from mmlitehrnet import __version__
from tests.running import ROOT, served

SOURCES = (
    *("setup.py", "mmlitehrnet_standins.py", "pyproject.toml", "MANIFEST.in"),
    *("Makefile", "README.md", "LICENSE", "CHANGELOG.md", "CONTRIBUTING.md"),
    *("CITATION.cff", "model-index.yml"),
)
FOLDERS = "mmlitehrnet configs requirements tools benchmarks docs tests".split()
#: Those of a wheel.
TOOLS = ("check_data", "complexity", "convert_checkpoint", "export_onnx", "predict")
BUILD_SDIST = "from setuptools import build_meta; build_meta.build_sdist('dist')"

pytestmark = pytest.mark.slow


def run(*args, cwd, **env):
    done = subprocess.run(
        args, cwd=cwd, env={**os.environ, **env}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def sdist(tmp_path_factory):
    """A source distribution, built offline."""
    source = tmp_path_factory.mktemp("source")
    for name in SOURCES:
        shutil.copy(ROOT / name, source)
    for name in FOLDERS:
        ignored = shutil.ignore_patterns("__pycache__", ".*")
        shutil.copytree(ROOT / name, source / name, ignore=ignored)
    run(sys.executable, "-c", BUILD_SDIST, cwd=source, PYTHONPATH="")
    (path,) = (source / "dist").iterdir()
    return path


@pytest.fixture(scope="module")
def wheel(sdist, tmp_path_factory):
    """A wheel built from the source distribution, offline."""
    pip = (sys.executable, "-m", "pip", "wheel", "--no-build-isolation", "--no-deps")
    out = tmp_path_factory.mktemp("wheel")
    run(*pip, "--no-index", "-w", out, sdist, cwd=out, PYTHONPATH="")
    (path,) = out.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def site(wheel, tmp_path_factory):
    """Where pip installs the wheel, in an environment that has nothing else."""
    folder = tmp_path_factory.mktemp("fresh")
    run(sys.executable, "-m", "venv", "--without-pip", folder, cwd=folder)
    python = folder / "bin/python"
    pip = (sys.executable, "-m", "pip", "--python", python, "install", "--no-deps")
    run(*pip, "--no-index", wheel, cwd=folder, PYTHONPATH="")
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    return Path(run(python, "-c", code, cwd=folder, PYTHONPATH="").strip())


def files(folder):
    return {
        path.relative_to(folder)
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(".")
        if not {"__pycache__", ".mim"} & set(path.relative_to(folder).parts)
    }


def test_source_distribution_carries_everything(sdist):
    with tarfile.open(sdist) as archive:
        names = archive.getnames()
    held = {Path(*Path(name).parts[1:]) for name in names}
    assert {Path(name) for name in SOURCES} <= held
    for folder in FOLDERS:
        assert {folder / path for path in files(ROOT / folder)} <= held


def test_wheel_carries_the_package_and_what_mim_needs(site, wheel):
    assert wheel.name == f"mmlitehrnet-{__version__}-py3-none-any.whl"
    assert files(ROOT / "mmlitehrnet") == files(site / "mmlitehrnet")
    mim = site / "mmlitehrnet/.mim"
    held = {path.name for path in mim.iterdir()}
    assert held == {"configs", "tools", "model-index.yml"}
    assert files(ROOT / "configs") == files(mim / "configs")
    # Neither demo nor generated data nor the papers' tables, which a checkout has.
    tools = {path.name for path in (mim / "tools").iterdir()} - {"__pycache__"}
    assert tools == {f"{name}.py" for name in (*TOOLS, "counting", "thread_settings")}
    # Nothing else lands beside the package.
    beside = {path.name for path in site.iterdir()} - {"__pycache__"}
    standins = {f"mmlitehrnet_standins.{suffix}" for suffix in ("py", "pth")}
    assert {name.split("-")[0] for name in beside} == {"mmlitehrnet", *standins}


def test_metadata(site):
    (info,) = site.glob("*.dist-info")
    assert list(info.rglob("LICENSE"))
    assert (site / "mmlitehrnet/py.typed").exists()
    lines = (info / "METADATA").read_text().splitlines()
    assert "Classifier: License :: OSI Approved :: Apache Software License" in lines
    required = [line for line in lines if line.startswith("Requires-Dist: ")]
    names = {re.findall(r"[\w.-]+", line)[1] for line in required if ";" not in line}
    # Not mmcv: pip would compile it.
    assert names == {"torch", "mmengine", "safetensors", "setuptools"}
    assert not any(re.match("Requires-Dist: mmcv[^-]", line) for line in required)
    extras = {line.split()[1] for line in lines if line.startswith("Provides-Extra")}
    assert extras == {"pose", "seg", "det", "cls", "tensorboard"}
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert (citation["version"], citation["license"]) == (__version__, "Apache-2.0")


@pytest.mark.parametrize("name", ["constraints.txt", "constraints-reference.txt"])
def test_constraints_pin_all_that_is_installed(name):
    lines = (ROOT / "requirements" / name).read_text().splitlines()
    pins = [line for line in lines if line and line[0] not in "#-"]
    assert all(re.fullmatch(r"[\w.-]+={2,3}[\w.+]+( ; .*)?", pin) for pin in pins), pins
    pinned = {re.split("==", pin)[0].lower().replace("_", "-") for pin in pins}
    for part in ("stack", "tests"):
        wanted = (ROOT / f"requirements/{part}.txt").read_text().splitlines()
        assert {line for line in wanted if line[0] != "#"} <= pinned


def test_empty_distributions_are_empty(tmp_path):
    folder = ROOT / "requirements/empty"
    make_wheels = runpy.run_path(str(folder / "make.py"))["make_wheels"]
    made = make_wheels(tmp_path)
    assert {p.name for p in made} == {p.name for p in folder.glob("*.whl")}
    for path in made:
        assert (folder / path.name).read_bytes() == path.read_bytes()


INHERIT = """
_base_ = __import__("mmlitehrnet") and "mmlitehrnet::{}"
custom_imports = dict(imports=["mmlitehrnet"], allow_failed_imports=False)
"""
USE = """
import runpy, sys
assert "mmlitehrnet_standins" in sys.modules
import mmcv._ext
from mmengine import Config
from mmengine.registry import HOOKS
for name in ("pose", "seg"):
    config = Config.fromfile(f"{name}.py")
    from mmlitehrnet.apis import network_from_config
    HOOKS.build(config.default_hooks.checkpoint)
    print(type(network_from_config(config).backbone).__name__)
for path in sys.argv[1:]:
    sys.argv[:] = [path, "--help"]
    sys.path[0] = path.rsplit("/", 1)[0]
    try:
        runpy.run_path(path, run_name="__main__")
    except SystemExit as stop:
        assert not stop.code
"""


def test_an_installed_wheel_is_used(site, tmp_path):
    """Every Python finds the stand-ins; configs are inherited by name; tools run.

    By a script that imports the package as late as `mim train`, in any folder.
    """
    for name, base in (
        ("pose", "pose/litehrnet_18_coco_256x192.py"),
        ("seg", "seg/litehrnet_18_cityscapes_512x1024.py"),
    ):
        (tmp_path / f"{name}.py").write_text(INHERIT.format(base))
    tools = [site / f"mmlitehrnet/.mim/tools/{name}.py" for name in TOOLS]
    # Its libraries are those of this environment.
    libraries = site / "libraries.pth"
    libraries.write_text(f"{sysconfig.get_path('purelib')}\n")
    python = site.parents[2] / "bin/python"
    printed = run(python, "-c", USE, *tools, cwd=tmp_path, PYTHONPATH="")
    libraries.unlink()
    assert printed.split()[:2] == ["LiteHRNet", "LiteHRNet"]
    assert printed.count("usage:") == len(TOOLS)


def test_mim_downloads_weights_and_their_config(site, tmp_path):
    """From an installed wheel, whose addresses are those of a server here."""
    name = "litehrnet_18_coco_256x192"
    installed, published, dest = (tmp_path / part for part in ("site", "www", "dest"))
    shutil.copytree(site, installed)
    metafile = installed / "mmlitehrnet/.mim/configs/pose/metafile.yml"
    models = yaml.safe_load(metafile.read_text())["Models"]
    (entry,) = (model for model in models if model["Name"] == name)
    address, file = entry["Weights"].rsplit("/", 1)
    published.mkdir()
    (published / file).write_bytes(b"weights")
    with served(published) as url:
        metafile.write_text(metafile.read_text().replace(address, url))
        mim = (sys.executable, "-m", "mim", "download", "mmlitehrnet")
        options = ("--config", name, "--dest", dest)
        run(*mim, *options, cwd=tmp_path, PYTHONPATH=str(installed), no_proxy="*")
    assert (dest / file).read_bytes() == b"weights"
    model = Config.fromfile(dest / f"{name}.py").model
    assert model == Config.fromfile(ROOT / f"configs/pose/{name}.py").model


def test_model_index_lists_the_configs():
    index = modelindex.load(str(ROOT / "model-index.yml"))
    index.build_models_with_collections()
    listed = {model.config for model in index.models}
    assert {path for path in listed if not (ROOT / path).exists()} == set()
    on_disk = {
        path.relative_to(ROOT).as_posix()
        for folder in ("pose", "pose/recipes", "pose/other_datasets", "det", "cls")
        for path in ROOT.glob(f"configs/{folder}/*.py")
        if not path.stem.startswith("own_")  # to copy
    }
    assert on_disk <= listed
    for model in index.models:
        data = model.metadata.data
        if model.results and "Publisher" not in data:  # none of the zoo's
            assert "paper" in data["Results From"], model.name
