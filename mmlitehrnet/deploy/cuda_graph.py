"""A network recorded as a CUDA graph: one launch in the place of hundreds."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class CudaGraph:
    """Replays a network on images of one fixed shape.

    Args:
        network: Maps images to a map or a tuple of maps, in evaluation mode, on a
            CUDA device.
        images: Images of the shape and type that it is for, on that device.

    Raises:
        ValueError: If the images are not on a CUDA device.
    """

    def __init__(self, network: nn.Module, images: Tensor) -> None:
        if not images.is_cuda:
            raise ValueError(f"images must be on a CUDA device, got {images.device}")
        self.images = images.clone()
        with torch.no_grad():
            stream = torch.cuda.Stream()
            stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(stream):
                for _ in range(3):  # Libraries choose their kernels before.
                    network(self.images)
            torch.cuda.current_stream().wait_stream(stream)
            self.graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self.graph):
                self.outputs = network(self.images)

    def __call__(self, images: Tensor) -> Any:
        """Run the network.

        Args:
            images: Images of the recorded shape.

        Returns:
            What the network returns, in memory that the next call overwrites.

        Raises:
            ValueError: If the shape is another one.
        """
        if images.shape != self.images.shape:
            raise ValueError(
                f"images must have the recorded shape {tuple(self.images.shape)}, got "
                f"{tuple(images.shape)}"
            )
        self.images.copy_(images)
        self.graph.replay()
        return self.outputs
