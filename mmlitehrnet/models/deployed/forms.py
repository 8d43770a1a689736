"""Which form of a deployed network each runtime computes fastest."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)  # torch 2.1's compiler knows its properties
class Form:
    """How a deployed network is laid out.

    Attributes:
        memory_layout: How maps lie in memory:

            - 'NHWC': channel after channel at each position (PyTorch).
            - 'NCHW': position after position in each channel. Blocks with dynamic
              convolution compute only the half of the channels that they transform,
              and small convolutions are products of matrices.
            - 'blocked': in blocks of channels, which not every operator of the
              runtime takes (ONNX Runtime). None of the others is used: no split,
              no broadcast, no computed kernel.
            - 'any': as the runtime likes, without loss (OpenVINO).
        aligned_size: Widths of maps are padded to a multiple of this.
        half_size: Shuffle units whose halves' width is a multiple of this compute
            only the half that they transform, in NCHW and of its own width; 0: none.
        shuffles: Whether shuffle units split, concatenate and shuffle channels (ncnn,
            which does so for less than carrying a half along takes).
        rows: Whether lower maps are upsampled along their rows only, and broadcast
            over the rows of each cell (ncnn, where reshaping copies nothing).
        splits_stem: Whether a stem's first convolution is computed whole and split
            (ncnn), or each half by itself.
        even_sizes: Whether image sides are multiples of 32 (of another power of two
            for other than four branches), so that pooling and upsampling are by
            powers of two.
        dynamic_batch: Whether a file of it takes any number of images.
        dynamic_size: Whether a file of it takes images of any size.
    """

    memory_layout: str = "any"
    aligned_size: int = 1
    half_size: int = 0
    shuffles: bool = False
    rows: bool = False
    splits_stem: bool = False
    even_sizes: bool = False
    dynamic_batch: bool = False
    dynamic_size: bool = False

    @property
    def blocked(self) -> bool:
        """Whether operators that do not take the blocked layout are avoided."""
        return self.memory_layout == "blocked"

    @property
    def halves(self) -> bool:
        """Whether blocks with dynamic convolution compute only one half."""
        return self.memory_layout == "NCHW"

    def takes_half(self, width: int) -> bool:
        """Whether a shuffle unit of this width computes only one half."""
        return self.half_size > 0 and width // 2 % self.half_size == 0

    @property
    def hidden_size(self) -> int:
        """Widths between the convolutions of a weighting are a multiple of this."""
        return self.aligned_size if self.blocked else 1

    @property
    def expands(self) -> bool:
        """Whether a weight is expanded to a map first, which fixes its size."""
        return self.blocked and not self.dynamic_size

    @property
    def aggregates(self) -> bool:
        """Whether dynamic convolution sums its kernels, where it knows how many."""
        return not self.blocked and not self.dynamic_batch


#: Runtime -> form.
FORMS = {
    "pytorch": Form("NHWC"),
    "onnxruntime": Form("blocked", aligned_size=16, even_sizes=True),
    # Halves are copied on one thread, whatever there are.
    "onnxruntime-1-thread": Form(
        "blocked", aligned_size=16, half_size=4, even_sizes=True
    ),
    "openvino": Form("any", even_sizes=True),
    "ncnn": Form("any", shuffles=True, rows=True, splits_stem=True),
}

#: Dynamic convolution in ONNX Runtime, and of several images in both.
_HALVES = Form("NCHW", aligned_size=4, even_sizes=True)

#: (runtime, several images) -> form for dynamic convolution, where it is another:
#: a blocked layout has no computed kernels, OpenVINO convolves whole blocks with them,
#: and for several images carrying the other half along costs more than setting it
#: aside.
DYNAMIC_FORMS = {
    ("pytorch", True): Form("NCHW"),
    ("onnxruntime", False): _HALVES,
    ("onnxruntime", True): _HALVES,
    ("onnxruntime-1-thread", False): _HALVES,
    ("onnxruntime-1-thread", True): _HALVES,
    ("openvino", False): Form("any", aligned_size=16, even_sizes=True),
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
