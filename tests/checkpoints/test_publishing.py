"""Files of weights hold nothing else, name their hash, and replace nothing."""

import re
from hashlib import sha256

import numpy as np
import pytest
import torch

from mmlitehrnet.checkpoints import write_weights

WEIGHTS = {"backbone.a": torch.rand(1000)[::500], "head.b": torch.tensor(1)}


def test_published_file_is_weights_and_names_its_hash(tmp_path):
    described = dict(classes=("road",), sigmas=np.array([0.5, 1.0]))
    meta = dict(epoch=3, cfg="secret = '/home/me'", dataset_meta=described)
    checkpoint = dict(state_dict=WEIGHTS, meta=meta, optimizer=dict(lr=1))
    path = write_weights(WEIGHTS, tmp_path / "models/net.pth", checkpoint, publish=True)
    assert re.fullmatch(r"net_20\d{6}-[0-9a-f]{8}\.pth", path.name)
    content = path.read_bytes()
    assert path.stem.endswith(sha256(content).hexdigest()[:8])
    assert b"secret" not in content
    # Only the two values of the slice, not the 1000 that it is cut from.
    assert len(content) < 3000
    found = torch.load(path, weights_only=True)
    assert found.keys() == {"state_dict", "meta"}
    written = dict(classes=("road",), sigmas=[0.5, 1.0])
    assert found["meta"] == dict(dataset_meta=written)
    for name, value in WEIGHTS.items():
        assert torch.equal(found["state_dict"][name], value)


def test_nothing_is_overwritten(tmp_path):
    with pytest.raises(IsADirectoryError, match=f"{tmp_path} is a folder: give the f"):
        write_weights(WEIGHTS, tmp_path, publish=True)
    path = write_weights(WEIGHTS, tmp_path / "net", publish=True)
    before = path.read_bytes()
    with pytest.raises(FileExistsError, match=f"{path} exists and is never overw"):
        write_weights({"a": torch.ones(1)}, path)
    assert list(tmp_path.iterdir()) == [path] and path.read_bytes() == before
