"""The device that these tests run on.

``MMLITEHRNET_TEST_DEVICE=cpu`` runs what can be run without a GPU, to test the tests.
"""

import os

import pytest
import torch

DEVICE = torch.device(os.environ.get("MMLITEHRNET_TEST_DEVICE", "cuda"))
ON_CUDA = DEVICE.type == "cuda"
MISSING = ON_CUDA and not torch.cuda.is_available()

needs_device = pytest.mark.skipif(MISSING, reason="needs a CUDA device")
needs_cuda = pytest.mark.skipif(not ON_CUDA or MISSING, reason="needs a CUDA device")
