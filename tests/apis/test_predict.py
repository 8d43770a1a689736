"""tools/predict.py: pictures and results are those of MMPose and MMSegmentation."""

import json
import re
import shutil

import cv2
import mmcv
import numpy as np
import pytest
import torch
from mmcv import VideoReader
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
from tests.robustness.recipes import small_config
from tests.running import free_port, run_python
from tests.tools import run_tool

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


def with_checkpoint(config, folder):
    """Files of a config and of its model."""
    paths = folder / "config.py", folder / "weights.pth"
    config.test_pipeline = config.test_dataloader.dataset.pipeline
    config.dump(paths[0])
    torch.save(dict(state_dict=network_of(paths[0]).state_dict(), meta={}), paths[1])
    return paths


@pytest.fixture(scope="module")
def pose(tmp_path_factory):
    """Config and checkpoint of a tiny pose estimator."""
    config = small_config("pose", "a", "NaiveLiteHRNet")
    stages = dict(num_modules=(1,), num_channels=((8, 16),))
    config.model.backbone.extra = dict(stages_spec=stages)
    return with_checkpoint(config, tmp_path_factory.mktemp("pose"))


@pytest.fixture(scope="module")
def seg(tmp_path_factory):
    """Config and checkpoint of a tiny segmentor."""
    return with_checkpoint(small_config("seg", "a"), tmp_path_factory.mktemp("seg"))


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    folder = make_coco(tmp_path_factory.mktemp("people") / "a", 0, 3, quiet=True)
    return sorted(folder.glob("val2017/*"))


@pytest.fixture(scope="module")
def streets(tmp_path_factory):
    root = tmp_path_factory.mktemp("streets") / "a"
    make_cityscapes(root, 0, 2, size=(64, 128), quiet=True)
    return sorted(root.glob("leftImg8bit/val/*/*.png"))


@pytest.fixture
def detector(tmp_path):
    """Config and checkpoint of a detector of two people, a bad box and a dog."""
    config, checkpoint = tmp_path / "det.py", tmp_path / "det.pth"
    config.write_text(DETECTOR)
    found = [
        [10.0, 20, 90, 200, 0, 0.9],
        [150, 30, 300, 220, 0, 0.6],
        [0, 0, 50, 50, 0, 0.1],
        [100, 100, 200, 200, 16, 0.9],
    ]
    torch.save(dict(state_dict=FixedBoxes(found).state_dict(), meta={}), checkpoint)
    return ["--det-config", config, "--det-checkpoint", checkpoint], checkpoint


def video_of(path, images, codec="mp4v"):
    code = cv2.VideoWriter_fourcc(*codec)
    size = images[0].shape[1::-1]
    writer = cv2.VideoWriter(str(path), code, 7, size)
    for image in images:
        writer.write(cv2.resize(image, size))
    writer.release()
    return path


def predict(source, model, out, *options, status=0):
    """Run the tool; give what reads the result of an input's name."""
    assert run_tool("predict", source, *model, "--out", out, *options) == status
    return lambda stem: json.loads((out / f"predictions/{stem}.json").read_text())


def check_people(found, pose, image, boxes=None):
    """See that the keypoints are MMPose's, of the boxes or of the whole image."""
    model = init_pose(*map(str, pose), device="cpu")
    height, width = mmcv.imread(image).shape[:2]
    expected, _ = by_mmpose(model, image, boxes or [[0, 0, width, height]])
    keypoints = [person["keypoints"] for person in found]
    np.testing.assert_allclose(keypoints, expected, atol=1e-2)


def test_folder_of_people(pose, people, tmp_path, capsys):
    """The whole image is one person where there is no detector."""
    found = predict(people[0].parent, pose, tmp_path)
    assert "3 of 3 done" in capsys.readouterr().out
    for path in people:
        image = cv2.imread(str(path))
        check_people(found(path.stem), pose, image)
        drawn = cv2.imread(str(tmp_path / f"visualizations/{path.stem}.jpg"))
        assert drawn.shape == image.shape
        # The photo in its colours, with something drawn on it.
        off = np.abs(drawn.astype(int) - image).max(axis=2)
        assert np.median(off) < 10 and off.max() > 100


def test_boxes_of_a_detector(pose, people, detector, tmp_path):
    path = people[0]
    found = predict(path, pose, tmp_path, *detector[0])(path.stem)
    check_people(found, pose, str(path), [[10, 20, 90, 200], [150, 30, 300, 220]])
    dog = (*detector[0], "--det-category", 16)
    (found,) = predict(path, pose, tmp_path, *dog)(path.stem)
    assert np.squeeze(found["bbox"]).tolist() == [100, 100, 200, 200]
    nobody = (*detector[0], "--box-threshold", 0.95)
    assert predict(path, pose, tmp_path, *nobody)(path.stem) == []
    drawn = cv2.imread(str(tmp_path / f"visualizations/{path.name}"))
    assert np.abs(drawn.astype(int) - cv2.imread(str(path))).max() < 100


def check_labels(path, seg, image):
    """See that a file holds MMSegmentation's labels of an image."""
    labels = mmcv.imread(path, "unchanged")
    model = init_seg(*map(str, seg), device="cpu")
    expected = inference_model(model, image).pred_sem_seg.data[0].numpy()
    assert labels.dtype == np.uint8 and len(np.unique(labels)) > 1
    np.testing.assert_array_equal(labels, expected)


def test_streets(seg, streets, tmp_path):
    folder, labels = tmp_path / "in", tmp_path / "predictions"
    folder.mkdir()
    shutil.copy(streets[0], folder / "a.b.png")
    video_of(folder / "drive.mp4", [cv2.imread(str(path)) for path in streets])
    (labels / "drive").mkdir(parents=True)
    earlier, other = (labels / f"drive/{x}.png" for x in ("000002", "notes"))
    earlier.touch()
    other.touch()
    assert run_tool("predict", folder, *seg, "--out", tmp_path, "--device", "cpu") == 0
    assert other.exists() and not earlier.exists()
    check_labels(labels / "a.b.png", seg, str(streets[0]))
    for k, image in enumerate(VideoReader(str(folder / "drive.mp4"))):
        check_labels(labels / f"drive/{k:06d}.png", seg, image)
    assert (tmp_path / "visualizations/a.b.png").exists()
    assert len(VideoReader(str(tmp_path / "visualizations/drive.mp4"))) == k + 1 == 2


AS_IT_IS = dict(color_type="unchanged")


@pytest.mark.parametrize(
    "task, loading, channels, dtype",
    [
        ("pose", dict(AS_IT_IS, to_float32=True), 3, np.uint16),
        ("pose", dict(color_type="color_ignore_orientation"), 3, np.uint8),
        ("pose", dict(color_type="grayscale"), 1, np.uint8),
        ("pose", AS_IT_IS, 4, np.uint8),
        ("seg", {}, 3, np.uint16),
        ("seg", AS_IT_IS, 4, np.uint8),
    ],
)
def test_pictures_are_loaded_as_the_config_says(
    task, loading, channels, dtype, pose, seg, tmp_path
):
    config = Config.fromfile((pose if task == "pose" else seg)[0])
    name = "PoseDataPreprocessor" if task == "pose" else "SegDataPreProcessor"
    config.model.data_preprocessor = dict(type=name)
    config.model.backbone.in_channels = channels
    config.test_dataloader.dataset.pipeline[0].update(loading)
    model = with_checkpoint(config, tmp_path)
    path, size = tmp_path / "a.png", (100, 160)
    shape = (*size, max(3, channels))
    data = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, shape, dtype)
    if loading.get("color_type") == "color_ignore_orientation":
        path, tag = tmp_path / "a.jpg", Image.Exif()
        tag[0x0112] = 6  # to be turned
        Image.fromarray(data).save(path, exif=tag.tobytes())
    else:
        cv2.imwrite(str(path), data)
    if task == "pose":
        found = predict(path, model, tmp_path)("a")
        check_people(found, model, str(path), [[0, 0, *size[::-1]]])
    else:
        assert run_tool("predict", path, *model, "--out", tmp_path) == 0
        check_labels(tmp_path / "predictions/a.png", model, str(path))
    drawn = mmcv.imread(tmp_path / f"visualizations/{path.name}", "unchanged")
    assert drawn.shape == (*size, 3) and drawn.dtype == np.uint8
    assert 60 < drawn.mean() < 200  # not white


def test_frames_of_a_video_are_grey_where_the_images_are(tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (64, 96, 3)).astype(np.uint8)
    path = video_of(tmp_path / "a.mp4", [image, 255 - image])
    ((medium,), _) = find_media(path)
    grey = medium.frames(LoadImageFromFile(color_type="grayscale"))
    for image, one in zip(VideoReader(str(path)), grey, strict=True):
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


TWO = """
import os, sys
from tests.running import be_one_of_two, fork
from tests.tools import load_tool

tool, (port, *arguments) = load_tool("predict"), sys.argv[1:]
def run(rank):
    be_one_of_two(rank, port)
    assert tool.main(arguments) == (rank == 0)
for child in [fork(run, rank) for rank in range(2)]:
    assert os.waitpid(child, 0)[1] == 0
"""


@pytest.mark.slow
def test_two_processes_share_a_folder_and_leave_what_is_done(pose, people, tmp_path):
    folder, alone, out = (tmp_path / name for name in ("in", "alone", "out"))
    shutil.copytree(people[0].parent, folder)
    (folder / "broken.jpg").write_text("no picture")
    predict(folder, pose, alone, status=1)
    results = {path.name: path.read_text() for path in alone.glob("predictions/*")}
    done = out / "predictions" / min(results)
    done.parent.mkdir(parents=True)
    done.write_text("as it was")
    options = ("--out", out, "--launcher", "pytorch", "--resume")
    arguments = (free_port(), folder, *pose, *options)
    printed = run_python("-c", TWO, *arguments, PYTHONUNBUFFERED="1").stdout
    assert printed.count("3 of 4 done") == 1, printed
    assert printed.count(f"failed: {folder / 'broken.jpg'}") == 1
    found = {path.name: path.read_text() for path in out.glob("predictions/*")}
    assert found == results | {done.name: "as it was"}


def test_kinds_of_files(pose, people, tmp_path):
    image = cv2.imread(str(people[0]))
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("a.webp", "b.tiff", "c.jp2", "d.BMP", "e.pgm"):
        grey = image[..., 0] if name == "e.pgm" else image
        assert cv2.imwrite(str(folder / name), grey)
    video_of(folder / "film.mkv", [image, 255 - image])
    first, second = (Image.fromarray(x) for x in (image, 255 - image))
    moving = dict(save_all=True, append_images=[second], duration=100)
    first.save(folder / "film2.gif", **moving)
    found = predict(folder, pose, tmp_path)
    for path in folder.iterdir():
        if path.stem.startswith("film"):
            film = VideoReader(str(path))
            drawn = VideoReader(str(tmp_path / f"visualizations/{path.stem}.mp4"))
            assert (len(drawn), drawn.fps) == (2, film.fps)
            assert [frame["frame_id"] for frame in found(path.stem)] == [0, 1]
            check_people(found(path.stem)[1]["instances"], pose, list(film)[1])
        else:
            (drawing,) = (tmp_path / "visualizations").glob(f"{path.name}*")
            assert len(found(path.stem)) == 1
            assert cv2.imread(str(drawing)).shape == image.shape


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
    good = people[0]
    for name in ("same.jpg", "same.jpeg", "good.jpg"):
        shutil.copy(good, folder / name)
    (folder / "cut.jpg").write_bytes(good.read_bytes()[:100])
    (folder / "text.png").write_text("no image")
    (folder / "empty.bmp").touch()
    (folder / "broken.mp4").write_text("no video")
    (folder / "notes.txt").touch()
    (folder / "sub").mkdir()
    predict(folder, pose, tmp_path, status=1)
    out = capsys.readouterr().out
    assert "skipped, neither image nor video: notes.txt" in out
    for name in ("cut.jpg", "text.png", "empty.bmp", "broken.mp4"):
        assert f"failed: {folder / name} cannot be read" in out
    assert "3 of 7 done" in out
    names = {"good.jpg", "same.jpg", "same.jpeg"}
    assert {path.stem for path in (tmp_path / "predictions").iterdir()} == names
    assert {path.name for path in (tmp_path / "visualizations").iterdir()} == names


@pytest.mark.parametrize("folder", ["visualizations", "predictions"])
def test_inputs_are_not_overwritten(pose, people, tmp_path, capsys, folder):
    path = tmp_path / folder / "a.jpg"
    path.parent.mkdir()
    shutil.copy(people[0], path)
    before = path.read_bytes()
    predict(path, pose, tmp_path, status=1)
    printed = capsys.readouterr().out
    assert f"failed: {path} is in {path.parent}, where results go" in printed
    assert path.read_bytes() == before


def test_bad_arguments(pose, seg, detector, people, tmp_path, capsys):
    image = people[0]
    options, det_checkpoint = detector
    evil = tmp_path / "evil.pth"
    torch.save(dict(state_dict=HARM["system"](tmp_path / "run")), evil)
    detection, empty = tmp_path / "det.py", tmp_path / "empty"
    boxes = ("--boxes", pose[1])  # which is no file of them
    empty.mkdir()
    cases = {
        (empty, *pose): "holds no image and no video",
        (evil, *pose): "is neither an image nor a video",
        (tmp_path / "no.jpg", *pose): "there is no such file or folder",
        (image, tmp_path / "no.py", pose[1]): "config .*no.py: there is no such file",
        (image, pose[0], tmp_path / "no.pth"): "no.pth: there is no such",
        (image, pose[0], evil): "holds no weights",
        (image, pose[0], seg[1]): "not fit the model of .*config.py: .*(lacks|not one)",
        (image, detection, det_checkpoint): "default_scope='mmdet'",
        (image, *pose, "--cfg-options", "model.backbone.arch=99"): "built: .*99",
        (image, *seg, *options): "--det-config, --det-checkpoint: not an option",
        (image, *pose, "--opacity", 1): "--opacity: not an option",
        (image, *pose, *boxes): "--boxes .*weights.pth: 'images' with id and",
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


def test_addresses(pose, people, server, tmp_path, capsys):
    folder, address = server
    shutil.copy(people[0], folder / "a.jpg")
    found = predict(f"{address}/a.jpg?x=1", pose, tmp_path)("a")
    check_people(found, pose, str(people[0]))
    predict(f"{address}/b.jpg", pose, tmp_path, status=1)
    assert f"failed: {address}/b.jpg cannot be read: HTTP" in capsys.readouterr().out
    # Nothing says how long a stream is; a line of progress says how far it has come.
    image = np.full((48, 64, 3), 99, np.uint8)
    video_of(folder / "walk.avi", [image] * 102, "MJPG").rename(folder / "walk")
    assert len(predict(f"{address}/walk", pose, tmp_path)("walk")) == 102
    assert len(VideoReader(str(tmp_path / "visualizations/walk.mp4"))) == 102
    assert "100 of a stream" in capsys.readouterr().out


def test_given_boxes_and_results_in_the_format_of_coco(pose, people, tmp_path, capsys):
    """Boxes that overlap all count; what is written can be given again."""
    names = [path.name for path in people[:2]]
    boxes = [[10, 20, 80, 180], [12, 22, 80, 180]]
    given, written = tmp_path / "given.json", tmp_path / "written.json"
    content = dict(
        images=[dict(id=5, file_name=f"x/{names[0]}"), dict(id=6, file_name=names[1])],
        annotations=[dict(id=k, image_id=5, bbox=box) for k, box in enumerate(boxes)],
    )
    given.write_text(json.dumps(content))
    corners = [[x, y, x + width, y + height] for x, y, width, height in boxes]
    for file in (given, written):
        options = ("--boxes", file, "--coco", written)
        found = predict(people[0].parent, pose, tmp_path, *options)
        assert "1 skipped, not among the images of" in capsys.readouterr().out
        persons = sorted(found(people[0].stem), key=lambda person: person["bbox"])
        check_people(persons, pose, str(people[0]), corners)
        assert found(people[1].stem) == []
        coco = json.loads(written.read_text())
        assert [image["file_name"] for image in coco["images"]] == names
        annotation = max(coco["annotations"], key=lambda one: one["bbox"])
        points = np.reshape(annotation["keypoints"], (-1, 3))[:, :2]
        np.testing.assert_allclose(points, persons[1]["keypoints"])
        assert coco["categories"][0]["keypoints"][0] == "nose"
