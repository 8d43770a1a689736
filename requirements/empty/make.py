"""Make the empty distributions that pip takes for MMPose's `chumpy` and `xtcocotools`.

MMPose 1.3.2 requires both. chumpy it never imports, and Python 3.11 and later cannot;
its source does not build with today's pip. xtcocotools has no wheels for CPython 3.12
and later, and `mmlitehrnet/compat` stands in for it. The constraints beside this folder
name these versions. They hold nothing but their metadata:

    python requirements/empty/make.py
"""

import zipfile
from pathlib import Path

VERSIONS = {"chumpy": "0.70+empty", "xtcocotools": "1.14.3+empty"}
FILES = {
    "METADATA": "Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    "Summary: Empty, in the place of {name}\n",
    "WHEEL": "Wheel-Version: 1.0\nGenerator: mmlitehrnet\nRoot-Is-Purelib: true\n"
    "Tag: py3-none-any\n",
    "RECORD": "{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n",
}


def make_wheels(folder: Path) -> list[Path]:
    """Write the wheels, always of the same bytes."""
    made = []
    for name, version in VERSIONS.items():
        path = folder / f"{name}-{version}-py3-none-any.whl"
        info = f"{name}-{version}.dist-info"
        with zipfile.ZipFile(path, "w") as wheel:
            for file, text in FILES.items():
                content = text.format(name=name, version=version, info=info)
                wheel.writestr(zipfile.ZipInfo(f"{info}/{file}"), content)
        made.append(path)
    return made


if __name__ == "__main__":
    print(*make_wheels(Path(__file__).parent), sep="\n")
