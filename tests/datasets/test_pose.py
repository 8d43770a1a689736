"""What the keypoint datasets give to train and test on."""

import json

import numpy as np
import pytest
from mmengine.registry import DATASETS, init_default_scope

from sample_data import make_mpii


@pytest.mark.parametrize("test_mode", [False, True])
def test_keypoints_of_mpii_count_from_0_in_training(tmp_path, test_mode):
    """As the boxes; in testing the metric expects the numbers of the file."""
    data = make_mpii(tmp_path / "data", 2, 1, quiet=True)
    path = data / "annotations/mpii_train.json"
    people = json.loads(path.read_text())
    init_default_scope("mmpose")
    dataset = DATASETS.build(
        dict(
            type="CheckedMpiiDataset",
            ann_file=str(path),
            data_prefix=dict(img=str(data / "images")),
            test_mode=test_mode,
        )
    )
    assert len(dataset) == len(people) > 0
    for index, person in enumerate(people):
        read = dataset.get_data_info(index)["keypoints"][0]
        expected = np.array(person["joints"]) - (0 if test_mode else 1)
        assert np.allclose(read, expected, atol=1e-4)
