"""tools/predict.py: pictures and results are those of MMPose and MMSegmentation."""

import json
import re
import shutil

import cv2
import mmcv
import numpy as np
import pytest
import torch
from mmcv.transforms import LoadImageFromFile
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.model import BaseModel
from mmengine.structures import InstanceData
from mmpose.apis import init_model as init_pose
from mmseg.apis import inference_model
from mmseg.apis import init_model as init_seg
from PIL import Image

from mmlitehrnet.apis import find_media, network_from_config
from mmlitehrnet.apis.seg import SegInferencer
from sample_data import make_cityscapes, make_coco
from tests.checkpoints.files import HARM
from tests.deploy.models import by_mmpose
from tests.models.backbones.reference import sane_weights
from tests.running import ROOT, free_port, run_python
from tests.tools import run_tool

POSE = ROOT / "configs/pose/naive_litehrnet_18_coco_256x192.py"
SEG = ROOT / "configs/seg/demo/litehrnet_18_sample_128x256.py"
TINY = dict(stages_spec=dict(num_modules=(1,), num_channels=((8, 16),)))
DETECTOR = """
default_scope = "mmdet"
model = dict(type="FixedBoxes")
test_dataloader = dict(
    dataset=dict(
        type="CocoDataset",
        pipeline=[
            dict(type="LoadImageFromFile"),
            dict(type="PackDetInputs", meta_keys=("img_path", "ori_shape")),
        ],
    )
)
visualizer = dict(type="DetLocalVisualizer")
"""


@MODELS.register_module()
class FixedBoxes(BaseModel):
    """A detector that has the boxes, labels and scores of its weights."""

    def __init__(self, found=((0.0,) * 6,) * 4):
        super().__init__(data_preprocessor=dict(type="mmdet.DetDataPreprocessor"))
        self.found = torch.nn.Parameter(torch.tensor(found))

    def forward(self, inputs, data_samples=None, mode="predict"):
        for sample in data_samples:
            boxes, labels, scores = self.found.detach().split([4, 1, 1], dim=1)
            sample.pred_instances = InstanceData(
                bboxes=boxes, labels=labels.flatten().long(), scores=scores.flatten()
            )
        return data_samples


def network_of(config):
    """A model that sees something, though it is not trained."""
    model = network_from_config(Config.fromfile(config))
    sane_weights(model.backbone)
    if hasattr(model, "head"):
        torch.nn.init.normal_(model.head.final_layer.weight)
    return model


def with_checkpoint(config, path):
    torch.save(dict(state_dict=network_of(config).state_dict(), meta={}), path)
    return config, path


@pytest.fixture(scope="module")
def pose(tmp_path_factory):
    """Config and checkpoint of a tiny pose estimator."""
    folder = tmp_path_factory.mktemp("pose")
    config = folder / "pose.py"
    backbone = f"backbone=dict(_delete_=True, type='NaiveLiteHRNet', arch={TINY!r})"
    config.write_text(
        f'_base_ = "{POSE}"\nmodel = dict({backbone}, head=dict(in_channels=8))\n'
    )
    return with_checkpoint(config, folder / "pose.pth")


@pytest.fixture(scope="module")
def seg(tmp_path_factory):
    """Config and checkpoint of a segmentor."""
    return with_checkpoint(SEG, tmp_path_factory.mktemp("seg") / "seg.pth")


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    folder = make_coco(tmp_path_factory.mktemp("people") / "a", 0, 3, quiet=True)
    return folder / "val2017"


@pytest.fixture(scope="module")
def streets(tmp_path_factory):
    root = tmp_path_factory.mktemp("streets") / "a"
    make_cityscapes(root, 0, 2, size=(128, 256), quiet=True)
    return sorted(root.glob("leftImg8bit/val/*/*.png"))


@pytest.fixture
def detector(tmp_path):
    """Config and checkpoint of a detector of two people, a bad box and a dog."""
    config, checkpoint = tmp_path / "det.py", tmp_path / "det.pth"
    config.write_text(DETECTOR)
    found = [
        [10, 20, 90, 200, 0, 0.9],
        [150, 30, 300, 220, 0, 0.6],
        [0, 0, 50, 50, 0, 0.1],
        [100, 100, 200, 200, 16, 0.9],
    ]
    weights = FixedBoxes(torch.tensor(found, dtype=torch.float).tolist()).state_dict()
    torch.save(dict(state_dict=weights, meta={}), checkpoint)
    return ["--det-config", config, "--det-checkpoint", checkpoint], checkpoint


def video_of(path, images, codec="mp4v"):
    height, width = images[0].shape[:2]
    code = cv2.VideoWriter_fourcc(*codec)
    writer = cv2.VideoWriter(str(path), code, 7, (width, height))
    for image in images:
        writer.write(cv2.resize(image, (width, height)))
    writer.release()
    return path


def frames_of(path):
    video = cv2.VideoCapture(str(path))
    frames = []
    while (frame := video.read()[1]) is not None:
        frames.append(frame)
    return frames, video.get(cv2.CAP_PROP_FPS)


def expected_people(pose, image, boxes):
    model = init_pose(str(pose[0]), str(pose[1]), device="cpu")
    return by_mmpose(model, image, boxes)[0]


def keypoints_of(people):
    return np.array([person["keypoints"] for person in people])


def test_folder_of_people(pose, people, tmp_path, capsys):
    """The whole image is one person where there is no detector."""
    assert run_tool("predict", people, *pose, "--out", tmp_path) == 0
    assert "3 of 3 done" in capsys.readouterr().out
    for path in sorted(people.iterdir()):
        image = cv2.imread(str(path))
        height, width = image.shape[:2]
        found = json.loads((tmp_path / f"predictions/{path.stem}.json").read_text())
        expected = expected_people(pose, image, [[0, 0, width, height]])
        np.testing.assert_allclose(keypoints_of(found), expected, atol=1e-2)
        drawn = cv2.imread(str(tmp_path / f"visualizations/{path.stem}.jpg"))
        assert drawn.shape == image.shape
        # The photo in its colours, with something drawn on it.
        off = np.abs(drawn.astype(int) - image).max(axis=2)
        assert np.median(off) < 10 and off.max() > 100


def test_boxes_of_a_detector(pose, people, detector, tmp_path):
    path = sorted(people.iterdir())[0]

    def predict(*options):
        out = tmp_path / "-".join(map(str, options))
        call = (path, *pose, *detector[0], *options, "--out", out)
        assert run_tool("predict", *call) == 0
        found = json.loads((out / f"predictions/{path.stem}.json").read_text())
        return found, cv2.imread(str(out / f"visualizations/{path.stem}.jpg"))

    found, _ = predict()
    boxes = [[10, 20, 90, 200], [150, 30, 300, 220]]
    expected = expected_people(pose, cv2.imread(str(path)), boxes)
    np.testing.assert_allclose(keypoints_of(found), expected, atol=1e-2)
    found, _ = predict("--det-category", 16)
    assert np.squeeze(found[0]["bbox"]).tolist() == [100, 100, 200, 200]
    found, drawn = predict("--box-threshold", 0.95)  # Nobody is drawn.
    assert found == []
    assert np.abs(drawn.astype(int) - cv2.imread(str(path))).max() < 100


def test_video_of_people(pose, people, tmp_path):
    images = [cv2.imread(str(path)) for path in sorted(people.iterdir())]
    video = video_of(tmp_path / "walk.mp4", images)
    assert run_tool("predict", video, *pose, "--out", tmp_path / "out") == 0
    found = json.loads((tmp_path / "out/predictions/walk.json").read_text())
    assert [frame["frame_id"] for frame in found] == [0, 1, 2]
    inputs, fps = frames_of(video)
    drawn, drawn_fps = frames_of(tmp_path / "out/visualizations/walk.mp4")
    assert (len(drawn), drawn_fps) == (3, fps)
    height, width = inputs[1].shape[:2]
    expected = expected_people(pose, inputs[1], [[0, 0, width, height]])
    people = keypoints_of(found[1]["instances"])
    np.testing.assert_allclose(people, expected, atol=1e-2)


def test_streets(seg, streets, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    shutil.copy(streets[0], folder / "a.b.png")
    video_of(folder / "drive.mp4", [cv2.imread(str(path)) for path in streets])
    earlier, other = (
        tmp_path / f"predictions/drive/{x}.png" for x in ("000002", "notes")
    )
    earlier.parent.mkdir(parents=True)
    earlier.touch()
    other.touch()
    assert run_tool("predict", folder, *seg, "--out", tmp_path, "--device", "cpu") == 0
    assert other.exists() and not earlier.exists()
    model = init_seg(str(seg[0]), str(seg[1]), device="cpu")
    inputs, _ = frames_of(folder / "drive.mp4")
    cases = {"a.b": cv2.imread(str(streets[0]))}
    cases |= {f"drive/{k:06d}": frame for k, frame in enumerate(inputs)}
    assert len(cases) == 3
    for name, image in cases.items():
        labels = cv2.imread(
            str(tmp_path / f"predictions/{name}.png"), cv2.IMREAD_UNCHANGED
        )
        expected = inference_model(model, image).pred_sem_seg.data[0].numpy()
        assert labels.dtype == np.uint8 and len(np.unique(labels)) > 1
        np.testing.assert_array_equal(labels, expected)
    assert (tmp_path / "visualizations/a.b.png").exists()
    assert len(frames_of(tmp_path / "visualizations/drive.mp4")[0]) == 2


def picture_file(path, kind):
    """Write a picture that must be loaded as the config says."""
    size = (100, 160, 4 if kind == "alpha" else 3)
    data = np.random.default_rng(0).integers(0, 256, size).astype(np.uint8)
    if kind == "16 bits":
        path = path.with_suffix(".png")
        low = np.arange(data.size, dtype=np.uint16).reshape(data.shape) % 256
        cv2.imwrite(str(path), data.astype(np.uint16) * 256 + low)
    elif kind == "turned":
        path = path.with_suffix(".jpg")
        tag = Image.Exif()
        tag[0x0112] = 6
        Image.fromarray(data).save(path, exif=tag.tobytes())
    else:
        path = path.with_suffix(".png")
        cv2.imwrite(str(path), data)
    return path


#: Kind of picture, arguments of the loading step, channels of the network, size that
#: is seen.
AS_IT_IS = dict(color_type="unchanged")
LOADED = {
    "16 bits": ("16 bits", dict(AS_IT_IS, to_float32=True), 3, (100, 160)),
    "8 of 16 bits": ("16 bits", {}, 3, (100, 160)),
    "upright": ("turned", {}, 3, (160, 100)),
    "as stored": ("turned", dict(color_type="color_ignore_orientation"), 3, (100, 160)),
    "grey": ("colours", dict(color_type="grayscale"), 1, (100, 160)),
    "four channels": ("alpha", AS_IT_IS, 4, (100, 160)),
    "Pillow": ("turned", dict(imdecode_backend="pillow"), 3, (160, 100)),
}
STEPS = {
    "pose": ("LoadImage", "GetBBoxCenterScale", "TopdownAffine", "PackPoseInputs"),
    "seg": ("LoadImageFromFile", "LoadAnnotations", "PackSegInputs"),
}


@pytest.mark.parametrize(
    "task, case",
    [*(("pose", k) for k in LOADED), ("seg", "8 of 16 bits"), ("seg", "four channels")],
)
def test_pictures_are_loaded_as_the_config_says(task, case, pose, tmp_path):
    kind, loading, channels, size = LOADED[case]
    config = Config.fromfile(pose[0] if task == "pose" else SEG)
    name = "PoseDataPreprocessor" if task == "pose" else "SegDataPreProcessor"
    config.model.data_preprocessor = dict(type=name)
    config.model.backbone.in_channels = channels
    first, *others = (dict(type=step) for step in STEPS[task])
    if task == "pose":
        others[1]["input_size"] = (64, 64)
    config.test_pipeline = [first | loading, *others]
    config.test_dataloader.dataset.pipeline = config.test_pipeline
    config.dump(tmp_path / "config.py")
    model = with_checkpoint(tmp_path / "config.py", tmp_path / "a.pth")
    path = picture_file(tmp_path / "a", kind)
    assert run_tool("predict", path, *model, "--out", tmp_path / "out") == 0
    if task == "pose":
        found = json.loads((tmp_path / "out/predictions/a.json").read_text())
        expected = expected_people(model, str(path), [[0, 0, size[1], size[0]]])
        np.testing.assert_allclose(keypoints_of(found), expected, atol=1e-3)
    else:
        labels = mmcv.imread(tmp_path / "out/predictions/a.png", "unchanged")
        segmentor = init_seg(*map(str, model), device="cpu")
        expected = inference_model(segmentor, str(path)).pred_sem_seg.data[0].numpy()
        assert labels.shape == size and len(np.unique(labels)) > 1
        np.testing.assert_array_equal(labels, expected)
    drawn = mmcv.imread(tmp_path / f"out/visualizations/{path.name}", "unchanged")
    assert drawn.shape == (*size, 3) and drawn.dtype == np.uint8


def test_frames_of_a_video_are_grey_where_the_images_are(tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (64, 96, 3)).astype(np.uint8)
    video_of(tmp_path / "a.mp4", [image, 255 - image])
    ((medium,), _) = find_media(tmp_path)
    colours = list(medium.frames(LoadImageFromFile()))
    grey = list(medium.frames(LoadImageFromFile(color_type="grayscale")))
    assert len(colours) == len(grey) == 2
    for image, one in zip(colours, grey, strict=True):
        np.testing.assert_array_equal(one, cv2.cvtColor(image, cv2.COLOR_BGR2GRAY))


def test_a_picture_of_other_channels_than_the_networks(pose, tmp_path, capsys):
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((60, 80), np.uint8))
    cv2.imwrite(str(tmp_path / "b.png"), np.zeros((60, 80, 3), np.uint8))
    change = "test_dataloader.dataset.pipeline.0.color_type=unchanged"
    arguments = ("--cfg-options", change, "--out", tmp_path / "out")
    assert run_tool("predict", tmp_path, *pose, *arguments) == 1
    printed = capsys.readouterr().out
    assert f"failed: {tmp_path / 'a.png'} has 1 channel(s), loaded with" in printed
    assert "color_type='unchanged'; the network takes 3" in printed
    assert "1 of 2 done" in printed


@pytest.mark.slow
def test_two_processes_share_a_folder_and_leave_what_is_done(pose, people, tmp_path):
    folder, alone, out = (tmp_path / name for name in ("in", "alone", "out"))
    shutil.copytree(people, folder)
    (folder / "broken.jpg").write_text("no picture")
    assert run_tool("predict", folder, *pose, "--out", alone) == 1
    results = {path.name: path.read_text() for path in alone.glob("predictions/*")}
    done = out / "predictions" / min(results)
    done.parent.mkdir(parents=True)
    done.write_text("as it was")
    launch = ("-m", "torch.distributed.run", "--nproc_per_node", 2)
    launch += ("--master_port", free_port(), ROOT / "tools/predict.py")
    options = ("--out", out, "--launcher", "pytorch", "--resume")
    printed = run_python(*launch, folder, *pose, *options, check=False).stdout
    assert printed.count("3 of 4 done") == 1, printed
    assert printed.count(f"failed: {folder / 'broken.jpg'}") == 1
    found = {path.name: path.read_text() for path in out.glob("predictions/*")}
    assert found == results | {done.name: "as it was"}


def test_kinds_of_files(pose, people, tmp_path):
    image = cv2.imread(str(sorted(people.iterdir())[0]))
    images = {".webp", ".tiff", ".jp2", ".BMP", ".pgm"}
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    for suffix in images:
        grey = image[..., 0] if suffix == ".pgm" else image
        assert cv2.imwrite(str(folder / f"{suffix[1:]}{suffix}"), grey)
    for suffix in (".mkv", ".m4v"):
        video_of(folder / f"{suffix[1:]}{suffix}", [image, 255 - image])
    first, second = (Image.fromarray(x) for x in (image, 255 - image))
    moving = dict(save_all=True, append_images=[second], duration=100)
    first.save(folder / "gif.gif", **moving)
    assert run_tool("predict", folder, *pose, "--out", out) == 0
    for path in folder.iterdir():
        found = json.loads((out / f"predictions/{path.stem}.json").read_text())
        if path.suffix in images:
            (drawing,) = (out / "visualizations").glob(f"{path.name}*")
            assert len(found) == 1
            assert cv2.imread(str(drawing)).shape == image.shape
        else:
            assert [frame["frame_id"] for frame in found] == [0, 1]
            assert len(frames_of(out / f"visualizations/{path.stem}.mp4")[0]) == 2


@pytest.mark.parametrize("opacity", [0, 1])
def test_colours_of_classes_are_the_configs(seg, streets, opacity):
    """The checkpoint has none."""
    image = cv2.imread(str(streets[0]))
    config = Config.fromfile(seg[0])
    palette = np.random.default_rng(0).integers(0, 256, (19, 3))
    names = dict(classes=tuple("abcdefghijklmnopqrs"), palette=palette.tolist())
    config.test_dataloader.dataset.metainfo = names
    drawn, labels = SegInferencer(config, seg[1], opacity=opacity).look(image)
    expected = palette[labels][..., ::-1] if opacity else image
    assert np.abs(drawn.astype(int) - expected).max() <= 1


def test_the_rest_of_a_mixed_folder_goes_on(pose, people, tmp_path, capsys):
    folder = tmp_path / "in"
    folder.mkdir()
    good = sorted(people.iterdir())[0]
    for name in ("same.jpg", "same.jpeg", "good.jpg"):
        shutil.copy(good, folder / name)
    (folder / "cut.jpg").write_bytes(good.read_bytes()[:100])
    (folder / "text.png").write_text("no image")
    (folder / "empty.bmp").touch()
    (folder / "broken.mp4").write_text("no video")
    (folder / "notes.txt").touch()
    (folder / "sub").mkdir()
    assert run_tool("predict", folder, *pose, "--out", tmp_path) == 1
    out = capsys.readouterr().out
    assert "skipped, neither image nor video: notes.txt" in out
    for name in ("cut.jpg", "text.png", "empty.bmp", "broken.mp4"):
        assert f"failed: {folder / name} cannot be read" in out
    assert "3 of 7 done" in out
    names = {"good.jpg", "same.jpg", "same.jpeg"}
    assert {path.stem for path in (tmp_path / "predictions").iterdir()} == names
    assert {path.name for path in (tmp_path / "visualizations").iterdir()} == names


def test_inputs_that_hold_nothing(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such file or folder"):
        find_media(tmp_path / "none")
    with pytest.raises(ValueError, match="holds no image and no video"):
        find_media(tmp_path)
    (tmp_path / "a.txt").touch()
    with pytest.raises(ValueError, match="neither an image nor a video"):
        find_media(tmp_path / "a.txt")


@pytest.mark.parametrize("folder", ["visualizations", "predictions"])
def test_inputs_are_not_overwritten(seg, streets, tmp_path, capsys, folder):
    path = tmp_path / folder / "a.png"
    path.parent.mkdir()
    shutil.copy(streets[0], path)
    before = path.read_bytes()
    assert run_tool("predict", path, *seg, "--out", tmp_path) == 1
    printed = capsys.readouterr().out
    assert f"failed: {path} is in {path.parent}, where results go" in printed
    assert path.read_bytes() == before


def test_bad_arguments(pose, seg, detector, people, tmp_path, capsys):
    image = sorted(people.iterdir())[0]
    options, det_checkpoint = detector
    evil = tmp_path / "evil.pth"
    torch.save(dict(state_dict=HARM["system"](tmp_path / "run")), evil)
    detection = tmp_path / "det.py"
    cases = {
        (tmp_path / "no.jpg", *pose): "there is no such file or folder",
        (image, tmp_path / "no.py", pose[1]): "config .*no.py: there is no such file",
        (image, pose[0], tmp_path / "no.pth"): "no.pth: there is no such",
        (image, pose[0], evil): "holds no weights",
        (image, pose[0], seg[1]): "not fit the model of .*pose.py: .*(lacks|not one)",
        (image, detection, det_checkpoint): "default_scope='mmdet'",
        (image, *pose, "--cfg-options", "model.backbone.arch=99"): "built: .*99",
        (image, *seg, *options): "--det-config, --det-checkpoint: not an option",
        (image, *pose, "--opacity", 1): "--opacity: not an option",
        (image, *pose, "--boxes", pose[1]): "--boxes .*pose.pth: 'images' with id and",
        (image, *seg, "--coco", evil): "--coco: not an option",
        (image, *pose, "--coco", evil, "--resume"): "--coco: .* without --resume",
        (image, *pose, *options[:3], evil): "holds no weights",
        (image, *pose, *options[:3], seg[1]): "does not fit the model of .*det.py",
        (image, *pose, "--out", evil): "File exists: .*evil.pth",
    }
    for arguments, words in cases.items():
        out = () if "--out" in arguments else ("--out", tmp_path / "out")
        assert run_tool("predict", *arguments, *out) == 2, words
        error = capsys.readouterr().err
        assert re.search(words, error), error
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "options, words",
    [
        ("--device cuda:99", "argument --device: cuda:99: a device that PyTorch finds"),
        ("--opacity 7", "argument --opacity: 7: must be 0 to 1"),
        ("config.py", "a config and a checkpoint go together"),
        ("config.py a.pth --model a", "--model: not with a config"),
        ("--det-config a", "--det-config and --det-checkpoint go together"),
        ("--det-model a --boxes a", "--boxes: not allowed with argument --det-model"),
    ],
)
def test_bad_options_are_named(capsys, options, words):
    with pytest.raises(SystemExit) as stop:
        run_tool("predict", "a.jpg", *options.split())
    assert stop.value.code == 2
    assert words in capsys.readouterr().err


def test_an_image_of_an_address(pose, people, server, tmp_path, capsys):
    folder, address = server
    shutil.copy(sorted(people.iterdir())[0], folder / "a.jpg")
    found = {}
    for name, source in (("file", folder / "a.jpg"), ("http", f"{address}/a.jpg?x=1")):
        assert run_tool("predict", source, *pose, "--out", tmp_path / name) == 0
        found[name] = json.loads((tmp_path / name / "predictions/a.json").read_text())
    assert found["file"] == found["http"]
    assert run_tool("predict", f"{address}/b.jpg", *pose, "--out", tmp_path) == 1
    assert f"failed: {address}/b.jpg cannot be read: HTTP" in capsys.readouterr().out


def test_a_stream(pose, people, server, tmp_path, capsys):
    """Nothing says how long it is; a line of progress says how far it has come."""
    folder, address = server
    images = [cv2.imread(str(path)) for path in sorted(people.iterdir())]
    video_of(folder / "walk.avi", images * 34, "MJPG").rename(folder / "walk")
    assert run_tool("predict", f"{address}/walk", *pose, "--out", tmp_path / "out") == 0
    found = json.loads((tmp_path / "out/predictions/walk.json").read_text())
    assert len(found) == 102
    assert len(frames_of(tmp_path / "out/visualizations/walk.mp4")[0]) == 102
    assert "100 of a stream" in capsys.readouterr().out


def test_given_boxes_and_results_in_the_format_of_coco(pose, people, tmp_path, capsys):
    """Boxes that overlap all count; what is written can be given again."""
    paths = sorted(people.iterdir())
    boxes = [[10, 20, 80, 180], [12, 22, 80, 180]]
    content = dict(
        images=[
            dict(id=5, file_name=f"x/{paths[0].name}"),
            dict(id=6, file_name=paths[1].name),
        ],
        annotations=[dict(id=k, image_id=5, bbox=box) for k, box in enumerate(boxes)],
    )
    file = tmp_path / "boxes.json"
    file.write_text(json.dumps(content))
    corners = [[x, y, x + width, y + height] for x, y, width, height in boxes]
    expected = expected_people(pose, cv2.imread(str(paths[0])), corners)
    for given in (file, tmp_path / "0.json"):
        out = tmp_path / given.stem
        written = tmp_path / f"{int(given != file)}.json"
        options = ("--boxes", given, "--coco", written, "--out", out)
        assert run_tool("predict", people, *pose, *options) == 0
        assert "1 skipped, not among the images of" in capsys.readouterr().out
        found = json.loads((out / f"predictions/{paths[0].stem}.json").read_text())
        found.sort(key=lambda person: person["bbox"][0][0])
        np.testing.assert_allclose(keypoints_of(found), expected, atol=1e-2)
        assert json.loads((out / f"predictions/{paths[1].stem}.json").read_text()) == []
        coco = json.loads(written.read_text())
        coco["annotations"].sort(key=lambda annotation: annotation["bbox"][0])
        assert [image["file_name"] for image in coco["images"]] == [
            p.name for p in paths[:2]
        ]
        points = np.reshape(coco["annotations"][1]["keypoints"], (-1, 3))
        np.testing.assert_allclose(points[:, :2], expected[1], atol=1e-2)
        assert coco["categories"][0]["keypoints"][0] == "nose"
