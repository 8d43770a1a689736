"""Stand-ins are found where the real modules are missing, and only there."""

from mmlitehrnet_standins import Finder
from tests.running import ROOT, run_python

PTH = ROOT / "requirements/mmlitehrnet_standins.pth"


def test_the_real_ones_come_first(tmp_path):
    for name in ("mmcv", "xtcocotools"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("")
    (tmp_path / "mmcv/_ext.py").write_text("")
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); "
        "import mmlitehrnet_standins, mmcv._ext, xtcocotools; "
        "print(mmcv._ext.__file__, xtcocotools.__file__)"
    )
    found = run_python("-c", code).stdout.split()
    assert all(path.startswith(str(tmp_path)) for path in found)


def test_other_missing_modules_stay_missing():
    assert Finder.find_spec("mmcv._extra") is None


def test_nothing_is_served_without_the_package(tmp_path):
    code = (
        f"import sys; sys.path[:] = [p for p in sys.path if p != {str(ROOT)!r}]; "
        f"sys.path.insert(0, {str(tmp_path)!r}); import mmlitehrnet_standins; "
        "print(mmlitehrnet_standins.Finder.find_spec('xtcocotools'))"
    )
    (tmp_path / "mmlitehrnet_standins.py").write_text(
        (ROOT / "mmlitehrnet_standins.py").read_text()
    )
    assert run_python("-c", code, cwd=tmp_path).stdout.strip() == "None"


def test_start_of_python_imports_nothing():
    code = f"import sys; exec({PTH.read_text()!r}); print(*sys.modules)"
    new = set(run_python("-S", "-c", code).stdout.split())
    new -= set(run_python("-S", "-c", "import sys; print(*sys.modules)").stdout.split())
    assert new == {"mmlitehrnet_standins"}


def test_no_module_is_no_error(tmp_path):
    done = run_python("-S", "-c", PTH.read_text(), cwd=tmp_path, PYTHONPATH="")
    assert done.stdout == ""


def test_an_xtcocotools_that_cannot_be_loaded_counts_as_missing(tmp_path):
    folder = tmp_path / "xtcocotools"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "coco.py").write_text("from . import mask")
    (folder / "mask.py").write_text("raise ImportError('numpy.core.multiarray')")
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import mmlitehrnet; "
        "import xtcocotools.coco; print(xtcocotools.coco.__file__)"
    )
    (found,) = run_python("-W", "ignore", "-c", code).stdout.splitlines()[-1:]
    assert not found.startswith(str(tmp_path))
    assert found.endswith("xtcocotools/coco.py")
