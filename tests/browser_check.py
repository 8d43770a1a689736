"""Run the page of examples/browser in Chromium: `make browser-check`.

Its keypoints must be those of `PoseRunner` on the same image and box, on pages with
and without cross-origin isolation; camera and video show a still picture. The network
is PP-TinyPose with its real weights, on photographs of `../shared`. `--time FILE ...`
tells how fast exported files are in the browser, beside RTMPose-t. Needs Chromium,
Node.js and npm's packages.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import warnings
from contextlib import ExitStack
from http.server import SimpleHTTPRequestHandler
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mmlitehrnet.deploy.runner import PoseRunner
from tests.litert_check import export_baseline
from tests.running import ROOT, served
from tests.tools import run_tool

PAGE = ROOT / "examples/browser"
SHARED = ROOT.parent / "shared"
WEIGHTS = SHARED / "weights/tinypose_enhance_256x192.pdparams"
PHOTOGRAPHS = SHARED / "data/coco_val2017_subset"
TINYPOSE = ROOT / "configs/pose/recipes/tinypose_256x192_aic-coco.py"
ISOLATION = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
}
#: What to compare: images with one box each, and one image without.
NUM_IMAGES = 12
#: Least score of a keypoint that is compared, and the largest distance, in pixels.
LEAST_SCORE, LARGEST = 0.3, 0.5


def programs() -> str:
    """Path of Chromium, if nothing is missing."""
    names = ("chromium", "chromium-browser", "google-chrome")
    chromium = next(filter(None, map(shutil.which, names)), None)
    missing = [name for name in ("node", "npm") if not shutil.which(name)]
    if missing or chromium is None:
        missing += ["chromium"] * (chromium is None)
        raise SystemExit(
            f"browser-check: there is no {', no '.join(missing)} here; on Debian: "
            "apt-get install chromium nodejs npm"
        )
    return chromium


def node_modules() -> Path:
    """Folder of the page's packages, installed once for each list of them."""
    package = PAGE / "package.json"
    key = hashlib.sha256(package.read_bytes()).hexdigest()[:12]
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    root = Path(os.environ.get("MMLITEHRNET_ENV", cache / "mmlitehrnet"))
    folder = root / f"npm-{key}"
    if not folder.is_dir():
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=root) as name:
            shutil.copy(package, name)
            install = ["npm", "install", "--no-package-lock", "--ignore-scripts"]
            subprocess.run([*install, "--silent"], cwd=name, check=True)
            shutil.copytree(name, folder)
    return folder / "node_modules"


def people(data: Path) -> list[dict[str, Any]]:
    """Images of a folder in COCO's layout, each with the box of its largest person.

    The first has no box.
    """
    annotations = data / "annotations/person_keypoints_val2017.json"
    whole = json.loads(annotations.read_text())
    found: list[dict[str, Any]] = []
    for image in whole["images"]:
        of = [p for p in whole["annotations"] if p["image_id"] == image["id"]]
        person = max(of, key=lambda p: p["area"], default={"num_keypoints": 0})
        if person["num_keypoints"] >= 10 and len(found) < NUM_IMAGES:
            x, y, width, height = person["bbox"]
            (file,) = data.glob(f"*/{image['file_name']}")
            found.append(dict(file=str(file), box=[x, y, x + width, y + height]))
    # The same file twice, one after the other, would be no change of the page's file.
    return [dict(found[-1], box=None), *found]


def write_camera(path: Path, shown: dict[str, Any]) -> np.ndarray:
    """Write a film of a still person; return the picture as it is there."""
    left, top, right, bottom = map(int, shown["box"])
    image = cv2.imread(shown["file"])[max(top, 0) : bottom, max(left, 0) : right]
    height, width = (side // 2 * 2 for side in image.shape[:2])
    frame = cv2.cvtColor(image[:height, :width], cv2.COLOR_BGR2YUV_I420)
    head = f"YUV4MPEG2 W{width} H{height} F10:1 Ip A1:1 C420\n"
    path.write_bytes(head.encode() + (b"FRAME\n" + frame.tobytes()) * 2)
    return cv2.cvtColor(frame, cv2.COLOR_YUV2BGR_I420)


def write_video(path: Path, image: np.ndarray) -> np.ndarray:
    """Write a video of one picture; return the picture as it is there."""
    code = cv2.VideoWriter.fourcc(*"VP80")
    writer = cv2.VideoWriter(str(path), code, 10, image.shape[1::-1])
    writer.write(image)
    writer.release()
    return cv2.VideoCapture(str(path)).read()[1]


class Quiet(SimpleHTTPRequestHandler):
    """A static server."""

    def log_message(self, *arguments: Any) -> None:
        """Say nothing."""


class Isolated(Quiet):
    """A static server of isolated pages."""

    def end_headers(self) -> None:
        """Send further headers with every file."""
        for name, value in ISOLATION.items():
            self.send_header(name, value)
        super().end_headers()


def browse(folder: Path, kinds: list[type[Quiet]], **job: Any) -> list[Any]:
    """Run the pages; give what tests/browser_check.mjs tells of each."""
    modules = node_modules()
    shutil.copy(PAGE / "index.html", folder)
    (folder / "node_modules").symlink_to(modules)
    with ExitStack() as stack:
        addresses = [stack.enter_context(served(folder, kind)) for kind in kinds]
        job["pages"] = [f"{address}/index.html" for address in addresses]
        job.update(modules=str(modules))
        node = ["node", str(ROOT / "tests/browser_check.mjs")]
        text = json.dumps(job)
        done = subprocess.run(node, input=text, text=True, stdout=subprocess.PIPE)
    if done.returncode:
        raise SystemExit("browser-check: the page failed")
    return json.loads(done.stdout)


def compare(runner: PoseRunner, image: np.ndarray, found: dict[str, Any]) -> np.ndarray:
    """Distances of the seen keypoints from the runner's, in pixels of the image."""
    points, scores = runner(image, [found["box"]])
    away = np.linalg.norm(points[0] - found["keypoints"], axis=1)
    return away[scores[0] >= LEAST_SCORE]


def check(folder: Path, out: Path) -> bool:
    """Export a network, run it on the pages, and compare."""
    chromium = programs()
    if not WEIGHTS.is_file():
        raise SystemExit(f"browser-check: no {WEIGHTS}")
    if run_tool("export_onnx", TINYPOSE, WEIGHTS, "--out", folder / "model.onnx"):
        return False
    images, out_file = people(PHOTOGRAPHS), out / "page.png"
    still = write_camera(folder / "camera.y4m", images[1])
    film = write_video(folder / "video.webm", still)
    pages = browse(
        folder,
        [Quiet, Isolated],
        chromium=chromium,
        camera=str(folder / "camera.y4m"),
        video=str(folder / "video.webm"),
        images=images,
        screenshot=str(out_file),
    )
    runner, largest = PoseRunner(folder / "model.onnx"), 0.0
    for page in pages:
        pairs = zip(images, page["found"], strict=True)
        away = [compare(runner, cv2.imread(i["file"]), found) for i, found in pairs]
        every, camera = np.concatenate(away), compare(runner, still, page["camera"])
        video = compare(runner, film, page["video"])
        print(
            f"{page['status']}: {len(every)} keypoints of {len(images)} people, "
            f"distance in pixels: median {np.median(every):.3f}, largest "
            f"{every.max():.3f}; the camera's median {np.median(camera):.3f}, the "
            f"video's {np.median(video):.3f}"
        )
        # Their colours are others, and some codecs' steps depend on them.
        largest = max(largest, every.max(), np.median(camera), np.median(video))
    print(f"screenshot: {out_file}")
    return largest <= LARGEST


def time_files(folder: Path, files: list[Path]) -> None:
    """Print how long files take on one thread in the browser, beside RTMPose-t."""
    warnings.filterwarnings("ignore")
    export_baseline(folder / "RTMPose-t.onnx")
    for file in files:
        shutil.copy(file, folder)
    names = ["RTMPose-t.onnx", *(file.name for file in files)]
    job = dict(chromium=programs(), camera="", files=names)
    (found,) = browse(folder, [Quiet], **job)
    for name in names:
        megabytes = (folder / name).stat().st_size / 1e6
        print(f"{name}: {megabytes:.1f} MB, {found[name]:.1f} ms")


def main(arguments: list[str] | None = None) -> int:
    """Check, or measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--time", nargs="+", type=Path, metavar="FILE")
    args = parser.parse_args(arguments)
    out = ROOT / "work_dirs/browser_check"
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        if args.time:
            return time_files(Path(name), args.time) or 0
        return int(not check(Path(name), out))


if __name__ == "__main__":
    sys.exit(main())
