"""Speed of the networks: for who develops them; not part of the wheel.

Command lines: ``benchmarks.inference``, ``benchmarks.training`` and, for a machine with
a GPU, ``benchmarks.gpu_report``.
"""
