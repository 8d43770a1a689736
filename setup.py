"""Build script.

What people run but do not import (configs, tools, the model index) lies beside the
package. As in all OpenMMLab packages, a wheel carries it inside, in ``.mim``, where
``mim`` looks for it; an editable install gets links there.
"""

import re
import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
PACKAGE = "mmlitehrnet"
MIM_FILES = ("configs", "tools", "model-index.yml")
#: Of the tools, what only a checkout uses.
CHECKOUT = ("demo.py", "make_sample_data.py", "paper_tables.py", "sample_data")
#: Makes every Python of the environment import mmlitehrnet_standins.
PTH = "requirements/mmlitehrnet_standins.pth"

# pkg_resources, which all libraries below import, has left setuptools 82.
SETUPTOOLS = "setuptools>=65,<82"
# mim, and what comes in the place of mmcv, which pip would compile.
UPSTREAM = [
    "mmcv-lite>=2.1,<2.2",
    "openmim>=0.3.9",
    "click<8.3",  # mim 0.3.9 takes the empty default of later ones for a value
    "torchvision>=0.16",
    SETUPTOOLS,
]


def read_version() -> str:
    """Read the version without importing the package, which needs PyTorch."""
    text = (ROOT / PACKAGE / "version.py").read_text(encoding="utf-8")
    return re.search(r'^__version__ = "([^"]+)"', text, re.MULTILINE).group(1)


def read_readme() -> str:
    """Read the long description."""
    readme = ROOT / "README.md"
    return readme.read_text(encoding="utf-8") if readme.exists() else ""


class Build(build_py):
    """Add what is not Python to the built package."""

    def run(self) -> None:
        """Build the package, then copy or link what ``mim`` and Python's start need."""
        super().run()
        editable = getattr(self, "editable_mode", False)
        self._add_mim(ROOT if editable else Path(self.build_lib), editable)
        # Of an editable install, only what lies in the wheel's folder gets there.
        install = self.get_finalized_command("install")
        site = Path(install.install_lib if editable else self.build_lib)
        site.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / PTH, site)

    def _add_mim(self, base: Path, editable: bool) -> None:
        mim = base / PACKAGE / ".mim"
        shutil.rmtree(mim, ignore_errors=True)
        mim.mkdir(parents=True)
        for name in MIM_FILES:
            source, target = ROOT / name, mim / name
            if editable:
                target.symlink_to(Path("../..", name))  # as the repository's own
            elif source.is_dir():
                ignored = shutil.ignore_patterns("__pycache__", ".*", *CHECKOUT)
                shutil.copytree(source, target, ignore=ignored)
            else:
                shutil.copy2(source, target)


setup(
    name=PACKAGE,
    version=read_version(),
    description="Lightweight high-resolution backbones for MMPose and MMSegmentation",
    author="The mmlitehrnet contributors",
    license="Apache-2.0",
    license_files=["LICENSE"],
    classifiers=[
        "Development Status :: 3 - Alpha",
        "Intended Audience :: Science/Research",
        "License :: OSI Approved :: Apache Software License",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Topic :: Scientific/Engineering :: Image Recognition",
        "Typing :: Typed",
    ],
    long_description=read_readme(),
    long_description_content_type="text/markdown",
    keywords="pose estimation, segmentation, Lite-HRNet, Dite-HRNet, OpenMMLab",
    py_modules=["mmlitehrnet_standins"],
    packages=find_packages(include=[PACKAGE, f"{PACKAGE}.*"]),
    package_data={PACKAGE: ["py.typed"]},
    include_package_data=False,
    # The tests run on the oldest versions (requirements/constraints-reference.txt) and
    # on the newest (requirements/constraints.txt).
    python_requires=">=3.11",
    # mmcv or mmcv-lite, whichever the libraries below have been installed with.
    install_requires=["torch>=2.1", "mmengine>=0.10.7", "safetensors>=0.4", SETUPTOOLS],
    extras_require={
        "pose": [*UPSTREAM, "mmpose>=1.3.2", "mmdet>=3.2", "pycocotools>=2.0.11"],
        "seg": [*UPSTREAM, "mmsegmentation>=1.2.2", "ftfy", "regex"],
        "det": [*UPSTREAM, "mmdet>=3.2"],
        "cls": [*UPSTREAM, "mmpretrain>=1.2"],
        # For --cfg-options vis_backends or visualizer of MMEngine's TensorBoard.
        "tensorboard": ["tensorboard"],
    },
    cmdclass={"build_py": Build},
    zip_safe=False,
)
