"""Networks on sane weights, and how two of them are compared."""

import torch
from torch import Tensor, nn

from mmlitehrnet.models.layers.dynamic_conv import KernelAggregation


def sane_weights(net: nn.Module, seed: int = 0) -> nn.Module:
    """Give a network weights on which differences show.

    Kaiming convolutions, non-trivial affine values and biases, running statistics
    gathered by a few passes in training mode. With random statistics the untrained
    network is chaotic, with its default initialisation nearly constant.
    """
    generator = torch.Generator().manual_seed(seed)

    def draw(parameter: Tensor, mean: float, std: float) -> None:
        noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
        parameter.data = (mean + std * noise).to(parameter)

    for module in net.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            draw(module.weight, 1.0, 0.2)
            draw(module.bias, 0.0, 0.2)
            module.momentum = None  # Average over the passes below.
        elif isinstance(module, nn.Conv2d):
            fan_in = module.weight[0].numel()
            draw(module.weight, 0.0, (2 / fan_in) ** 0.5)
            if module.bias is not None:
                draw(module.bias, 0.0, 0.2)
        elif isinstance(module, KernelAggregation):
            fan_in = module.weight[0, 0].numel()
            draw(module.weight, 0.0, (2 / fan_in) ** 0.5)
    first = next(net.parameters())
    dtype, channels = first.dtype, first.shape[1]
    net.train()
    with torch.no_grad():
        for _ in range(4):
            net(torch.randn(2, channels, 96, 96, generator=generator).to(dtype))
    for module in net.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.momentum = 0.1
    return net


def fresh_weights(net: nn.Module) -> nn.Module:
    """Give a network PyTorch's default weights, by which no rounding grows.

    Statistics are drawn, so that differences of normalisation show.
    """
    torch.manual_seed(0)
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            module.reset_parameters()
        elif isinstance(module, nn.modules.batchnorm._BatchNorm):
            nn.init.uniform_(module.running_mean, -0.5, 0.5)
            nn.init.uniform_(module.running_var, 0.5, 2)
            if module.affine:
                nn.init.uniform_(module.weight, 0.5, 1.5)
                nn.init.uniform_(module.bias, -0.5, 0.5)
    return net


def images(*shape: int, dtype: torch.dtype = torch.float32, seed: int = 1) -> Tensor:
    """Random images of a shape."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)


def difference(a: Tensor, b: Tensor) -> float:
    """Largest absolute difference, relative to the largest value of ``b``."""
    assert a.shape == b.shape
    return ((a - b).abs().max() / b.abs().max()).item()


def gradients(net: nn.Module, x: Tensor) -> dict[str, Tensor]:
    """Gradients of a loss that depends on every map of a training-mode pass."""
    net.zero_grad(set_to_none=True)
    net.train()
    sum(y.square().mean() for y in net(x)).backward()
    return {name: p.grad for name, p in net.named_parameters()}


def gradient_difference(ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> float:
    """Largest difference of two gradients, relative to the largest gradient."""
    assert ours.keys() == theirs.keys()
    scale = max(g.abs().max() for g in theirs.values())
    return max(((ours[k] - g).abs().max() / scale).item() for k, g in theirs.items())
