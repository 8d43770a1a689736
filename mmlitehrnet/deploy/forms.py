"""Which form of a deployed network each runtime runs fastest."""

from __future__ import annotations

from typing import NamedTuple


class Form(NamedTuple):
    """How a deployed network is laid out.

    Attributes:
        multiple: Widths are padded to a multiple of this.
        channels_last: Whether maps lie in memory channel by channel at each pixel.
        joint: Whether the weights of all branches are computed as one map, which is
            split, or branch by branch.
        broadcast: Whether a weight per channel is multiplied as (N, C, 1, 1), or
            spread over the map first.
        aggregate: Whether dynamic convolution sums its kernels, for a single sample.
        fixed: Whether image sides are multiples of 32, so that pooling and
            upsampling are by powers of two.
    """

    multiple: int = 1
    channels_last: bool = False
    joint: bool = True
    broadcast: bool = True
    aggregate: bool = True
    fixed: bool = False


#: Runtime -> form.
FORMS = {
    "pytorch": Form(channels_last=True),
    "onnxruntime": Form(
        multiple=16, joint=False, broadcast=False, aggregate=False, fixed=True
    ),
    "openvino": Form(multiple=16, fixed=True),
}


def find_form(target: str) -> Form:
    """Return the form for a runtime.

    Raises:
        ValueError: If there is none.
    """
    if target not in FORMS:
        raise ValueError(f"target must be one of {sorted(FORMS)}, got {target!r}")
    return FORMS[target]
