"""Dense context pooling against its definition."""

import pytest
import torch

from mmlitehrnet.models.layers.context_modeling import official_sums, window_sums


@pytest.mark.parametrize("shape, size", [((12, 8), (3, 2)), ((7, 10), (3, 4))])
def test_windows_are_those_of_adaptive_pooling(shape, size):
    x = torch.randn(2, 3, *shape, dtype=torch.float64)
    mask = torch.rand(2, 1, *shape, dtype=torch.float64)
    ours = window_sums(x, mask, size)
    for i in range(size[0]):
        for j in range(size[1]):
            rows, columns = (
                slice(k * side // cells, -(-(k + 1) * side // cells))
                for k, side, cells in zip((i, j), shape, size)
            )
            window = (x * mask)[..., rows, columns]
            torch.testing.assert_close(ours[..., i, j], window.sum(dim=(2, 3)))


def test_official_pooling_names_sizes_that_it_cannot_do():
    with pytest.raises(ValueError, match="7x10 to 3x4"):
        official_sums(torch.rand(1, 2, 7, 10), torch.rand(1, 1, 7, 10), (3, 4))
