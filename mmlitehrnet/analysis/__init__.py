"""What the networks cost: complexity as the papers count it, and as it is."""

from .complexity import (
    Cost,
    count_parameters,
    measure,
    multiply_accumulates,
    paper_flops,
    total,
)

__all__ = [
    "Cost",
    "count_parameters",
    "measure",
    "multiply_accumulates",
    "paper_flops",
    "total",
]
