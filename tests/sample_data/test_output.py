"""All formats: same arguments, same bytes; nothing else is overwritten; errors."""

import cv2
import pytest

from sample_data import make_aic, make_cityscapes, make_coco, make_imagenet, make_mpii
from sample_data.output import MARKER
from tests.tools import run_tool

FORMATS = [make_coco, make_mpii, make_aic, make_cityscapes, make_imagenet]
SIZE = (96, 128)
IMAGES = ("_leftImg8bit.png", ".jpg")


def contents(folder):
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in files}


@pytest.mark.parametrize("make", FORMATS)
def test_the_seed_decides_and_threads_do_not(make, tmp_path):
    threads = cv2.getNumThreads()
    try:
        for name, count, seed in (("one", 1, 3), ("many", 4, 3), ("other", 4, 4)):
            cv2.setNumThreads(count)
            make(tmp_path / name, 2, 2, seed=seed, size=SIZE, quiet=True)
    finally:
        cv2.setNumThreads(threads)
    one, many, other = (contents(tmp_path / name) for name in ("one", "many", "other"))
    assert one == many
    assert set(one) == set(other)
    images = [name for name in one if name.endswith(IMAGES)]
    assert len(images) == 4
    assert all(one[name] != other[name] for name in images)
    # Those of training are not those of validation.
    assert len({one[name] for name in images}) == 4
    # A picture depends on its number, not on how many there are.
    make(tmp_path / "more", 3, 2, seed=3, size=SIZE, quiet=True)
    more = contents(tmp_path / "more")
    assert all(one[name] == more[name] for name in images)


@pytest.mark.parametrize(
    "arguments, message",
    [
        (dict(num_train=-1, num_val=1), "train=-1.*0..100000"),
        (dict(num_train=1, num_val=-2), "val=-2.*0..100000"),
        (dict(num_train=0, num_val=0), "at least one image"),
        (dict(num_train=1, num_val=1, seed=-5), "seed=-5.*0 or larger"),
        (dict(num_train=1, num_val=1, size=(20, 200)), "size=20x200.*at least"),
        (dict(num_train=1, num_val=1, size=(200, 9000)), "size=200x9000.*at most"),
    ],
)
def test_wrong_arguments_are_named(arguments, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        make_mpii(tmp_path / "out", quiet=True, **arguments)
    assert not (tmp_path / "out").exists()


def test_only_generated_data_is_overwritten(tmp_path):
    out = make_mpii(tmp_path / "out", 2, 1, size=SIZE, quiet=True)
    before = contents(out)
    with pytest.raises(FileExistsError, match="--overwrite"):
        make_mpii(out, 1, 1, quiet=True)
    with pytest.raises(FileExistsError, match="'mpii'"):
        make_coco(out, 1, 1, overwrite=True, quiet=True)
    added = out / "images/photo.jpg"
    added.write_bytes(b"photo")
    with pytest.raises(FileExistsError, match="photo.jpg was not generated"):
        make_mpii(out, 1, 1, overwrite=True, quiet=True)
    added.unlink()
    assert contents(out) == before

    real = tmp_path / "real" / "images"
    real.mkdir(parents=True)
    (real / "photo.jpg").write_bytes(b"photo")
    with pytest.raises(FileExistsError, match="never overwritten"):
        make_mpii(tmp_path / "real", 1, 1, overwrite=True, quiet=True)
    assert list(contents(tmp_path / "real")) == ["images/photo.jpg"]
    with pytest.raises(NotADirectoryError, match="photo.jpg"):
        make_mpii(real / "photo.jpg", 1, 1, quiet=True)


@pytest.mark.parametrize("content", [b"{", b"\xff", b"{}"])
def test_damaged_marker(content, tmp_path):
    (tmp_path / MARKER).write_bytes(content)
    with pytest.raises(ValueError, match=f"{MARKER} is damaged"):
        make_mpii(tmp_path, 1, 1, overwrite=True, quiet=True)
    assert (tmp_path / MARKER).read_bytes() == content


@pytest.mark.parametrize("kind", ["coco", "mpii", "cityscapes", "imagenet"])
def test_the_tool_writes_and_explains(kind, tmp_path, capsys):
    def call(name, *more):
        few = ("--train", 1, "--val", 1, "--size", 100, 130, "--quiet")
        return run_tool("make_sample_data", kind, tmp_path / name, *few, *more)

    assert call("out") == 0
    assert f"Wrote {tmp_path / 'out'}\n" in capsys.readouterr().out
    assert call("out") == 2
    assert "--overwrite" in capsys.readouterr().err
    fewer = ("--train", 0, "--overwrite", "--seed", 2)
    assert call("out", *fewer) == call("new", *fewer) == 0
    assert contents(tmp_path / "out") == contents(tmp_path / "new")
    assert call("b", "--train", -3) == 2
    assert "train=-3" in capsys.readouterr().err
