"""MMPose draws keypoints on every stack, in the default backend."""

import numpy as np
import pytest
from mmengine.structures import InstanceData
from mmpose.registry import VISUALIZERS
from mmpose.structures import PoseDataSample

import mmlitehrnet  # noqa: F401  Mends the drawing.

OLD = np.lib.NumpyVersion(np.__version__) < "2.4.0"


@pytest.fixture
def visualizer(request):
    visualizer = VISUALIZERS.build(
        dict(type="mmpose.PoseLocalVisualizer", name=request.node.name, radius=5)
    )
    visualizer.set_dataset_meta(
        dict(num_keypoints=1, keypoint_colors=np.array([[255, 0, 0]]))
    )
    return visualizer


@pytest.mark.parametrize("alpha", [1.0, 0.8])
def test_keypoints_are_drawn(visualizer, alpha):
    visualizer.alpha = alpha
    instances = InstanceData(
        keypoints=np.array([[[20.0, 30.0]]]), keypoint_scores=np.ones((1, 1))
    )
    image = visualizer.add_datasample(
        "people",
        np.zeros((64, 48, 3), np.uint8),
        PoseDataSample(pred_instances=instances),
        draw_gt=False,
        draw_bbox=False,
    )
    drawn = np.argwhere(image[..., 0] > 0)
    assert drawn.min(0).tolist() == [25, 15] and drawn.max(0).tolist() == [35, 25]


def test_radius_may_be_a_number_or_an_array(visualizer):
    images = []
    for radius in (4, np.array(4), np.array([4]), np.array([[4.0]])):
        visualizer.set_image(np.zeros((32, 32, 3), np.uint8))
        visualizer.draw_circles(np.array([16, 16]), radius, face_colors=(255, 0, 0))
        images.append(visualizer.get_image())
    assert images[0].any()
    assert all(np.array_equal(image, images[0]) for image in images)


def test_upstream_is_changed_only_where_needed(visualizer):
    source = type(visualizer).draw_circles.__code__.co_filename
    assert ("mmlitehrnet" in source.split("/")[-3:]) == (not OLD)
