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


def read_version() -> str:
    """Read the version without importing the package, which needs PyTorch."""
    text = (ROOT / PACKAGE / "version.py").read_text(encoding="utf-8")
    return re.search(r'^__version__ = "([^"]+)"', text, re.MULTILINE).group(1)


def read_readme() -> str:
    """Read the long description."""
    readme = ROOT / "README.md"
    return readme.read_text(encoding="utf-8") if readme.exists() else ""


class BuildWithMim(build_py):
    """Add ``.mim`` to the built package."""

    def run(self) -> None:
        """Build the package, then copy or link what ``mim`` needs."""
        super().run()
        editable = getattr(self, "editable_mode", False)
        base = ROOT if editable else Path(self.build_lib)
        mim = base / PACKAGE / ".mim"
        shutil.rmtree(mim, ignore_errors=True)
        mim.mkdir(parents=True)
        for name in MIM_FILES:
            source, target = ROOT / name, mim / name
            if editable:
                target.symlink_to(source)
            elif source.is_dir():
                ignored = shutil.ignore_patterns("__pycache__", ".*")
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
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Topic :: Scientific/Engineering :: Image Recognition",
        "Typing :: Typed",
    ],
    long_description=read_readme(),
    long_description_content_type="text/markdown",
    keywords="pose estimation, segmentation, Lite-HRNet, Dite-HRNet, OpenMMLab",
    packages=find_packages(include=[PACKAGE, f"{PACKAGE}.*"]),
    package_data={PACKAGE: ["py.typed"]},
    include_package_data=False,
    # Tested: the oldest versions here, and those of docs/modern_stack.md.
    python_requires=">=3.11",
    install_requires=["torch>=2.1", "mmengine>=0.10.7", "mmcv>=2.1.0"],
    extras_require={
        "pose": ["mmpose>=1.3.2"],
        "seg": ["mmsegmentation>=1.2.2"],
        "det": ["mmdet>=3.2"],
        "cls": ["mmpretrain>=1.2"],
    },
    cmdclass={"build_py": BuildWithMim},
    zip_safe=False,
)
