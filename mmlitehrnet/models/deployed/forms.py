"""Which form of a deployed network each runtime runs fastest."""

from __future__ import annotations

from typing import NamedTuple


class Form(NamedTuple):
    """How a deployed network is laid out.

    Attributes:
        multiple: Widths of maps are padded to a multiple of this.
        hidden_multiple: Widths between the two convolutions of a weighting are.
        channels_last: Whether maps lie in memory channel by channel at each pixel.
        joint: Whether the weights of all branches are computed as one map, which is
            split, or branch by branch.
        broadcast: Whether a weight per channel is multiplied as (N, C, 1, 1), or
            spread over the map first.
        aggregate: Whether dynamic convolution sums its kernels, for a single sample;
            in the plain layout, for any fixed number of them.
        plain: Whether blocks with dynamic convolution run in the plain layout on the
            channels that they transform, with products of matrices in the place of
            small convolutions: where the runtime has a blocked layout that computed
            kernels cannot use, and where several images make the maps large.
        fixed: Whether image sides are multiples of 32 (of another power of two for
            other than four branches), so that pooling and upsampling are by powers of
            two.
    """

    multiple: int = 1
    hidden_multiple: int = 1
    channels_last: bool = False
    joint: bool = True
    broadcast: bool = True
    aggregate: bool = True
    plain: bool = False
    fixed: bool = False


#: Runtime -> form.
FORMS = {
    "pytorch": Form(channels_last=True),
    "onnxruntime": Form(
        multiple=16,
        hidden_multiple=16,
        joint=False,
        broadcast=False,
        aggregate=False,
        fixed=True,
    ),
    "openvino": Form(multiple=16, fixed=True),
}

#: Dynamic convolution on the channels that are transformed, for images of fixed size.
_HALVES = Form(multiple=4, plain=True, fixed=True)

#: (runtime, several images) -> form for dynamic convolution, where it is another.
DYNAMIC_FORMS = {
    ("pytorch", True): Form(plain=True),
    ("onnxruntime", False): _HALVES,
    ("onnxruntime", True): _HALVES,
    ("openvino", True): _HALVES,
}


def find_form(target: str | Form, dynamic: bool, batch_size: int | None = 1) -> Form:
    """Return the form of a network for a runtime.

    Args:
        target: The runtime, or the form itself.
        dynamic: Whether the network has dynamic convolutions.
        batch_size: Number of images, or None if their number or size may vary.

    Raises:
        TypeError: If the runtime is no string.
        ValueError: If there is no form for the runtime.
    """
    if isinstance(target, Form):
        return target
    if not isinstance(target, str):
        raise TypeError(f"target must be a string, got {target!r}")
    if target not in FORMS:
        raise ValueError(f"target must be one of {sorted(FORMS)}, got {target!r}")
    if dynamic and batch_size is not None:
        return DYNAMIC_FORMS.get((target, batch_size > 1), FORMS[target])
    return FORMS[target]
