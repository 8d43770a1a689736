"""One thread: the networks of the tests are small, and machines are shared."""

import torch

torch.set_num_threads(1)
