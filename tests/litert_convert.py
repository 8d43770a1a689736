"""Convert ONNX files to LiteRT, compare and time them: a part of `make litert-check`.

It runs in the environment of requirements/litert.txt, and imports nothing of ours.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnxruntime
from ai_edge_litert.interpreter import Interpreter
from ai_edge_quantizer import qtyping, quantizer
from ai_edge_quantizer.algorithm_manager import AlgorithmName

#: Precision -> largest difference, relative to the largest value.
TOLERANCES = {"float32": 1e-5, "float16": 1e-2}
#: What is not ours is not compared.
BASELINE = "RTMPose-t"
TURNS, BURST = 10, 5


def convert(path: Path, folder: Path, shape: Sequence[int]) -> dict[str, Path]:
    """Convert a file for images of a shape (N, C, H, W), and give precision to file.

    The converter writes over what it reads, which is a simplified copy.
    """
    folder.mkdir()
    tools, fixed = Path(sys.executable).parent, "input:" + ",".join(map(str, shape))
    simplify = ["onnxsim", path, "network.onnx", "--overwrite-input-shape", fixed]
    for tool, *options in (simplify, ["onnx2tf", "-i", "network.onnx", "-o", "."]):
        command = [tools / tool, *options]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(done.stderr[-1000:])
    # The converter's own file in float16 does not run.
    single, half = folder / "network_float32.tflite", folder / "float16.tflite"
    halve(single, half)
    return {"float32": single, "float16": half}


def halve(path: Path, out: Path) -> None:
    """Write a file with weights in float16, which computes in float32."""
    weights = qtyping.TensorQuantizationConfig(16, dtype=qtyping.TensorDataType.FLOAT)
    tool = quantizer.Quantizer(str(path))
    tool.update_quantization_recipe(
        regex=".*",
        operation_name=qtyping.TFLOperationName.ALL_SUPPORTED,
        op_config=qtyping.OpQuantizationConfig(
            weight_tensor_config=weights,
            compute_precision=qtyping.ComputePrecision.FLOAT,
        ),
        algorithm_key=AlgorithmName.FLOAT_CASTING,
    )
    tool.quantize().export_model(str(out))


def open_litert(path: Path, images: np.ndarray) -> tuple[Interpreter, int]:
    """Open a file on one thread; also count the parts that XNNPACK computes."""
    network = Interpreter(str(path), num_threads=1)
    network.allocate_tensors()
    names = [each["op_name"] for each in network._get_ops_details()]
    (given,) = network.get_input_details()
    network.set_tensor(
        given["index"], np.ascontiguousarray(images.transpose(0, 2, 3, 1))
    )
    return network, names.count("DELEGATE")


def difference(network: Interpreter, expected: list[np.ndarray]) -> float:
    """Largest difference from other outputs, relative to their largest value."""
    network.invoke()
    found = [network.get_tensor(o["index"]) for o in network.get_output_details()]
    maps = [x.transpose(0, 3, 1, 2) if x.ndim == 4 else x for x in found]
    largest = [np.abs(a - b).max() / np.abs(b).max() for a, b in zip(maps, expected)]
    return float(max(largest))


def least(calls: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Least milliseconds of calls that take turns."""
    found = dict.fromkeys(calls, np.inf)
    for _ in range(TURNS):
        for name, call in calls.items():
            for _ in range(BURST):
                start = time.perf_counter()
                call()
                found[name] = min(found[name], (time.perf_counter() - start) * 1e3)
    return found


def main(paths: list[str]) -> int:
    """Convert, compare, measure, and print a line for each file."""
    failed, said, calls = 0, {}, {}
    with tempfile.TemporaryDirectory() as name:
        for path in map(Path, paths):
            session = onnxruntime.InferenceSession(path)
            (given,) = session.get_inputs()
            images = np.random.default_rng(0).random((1, *given.shape[1:]), np.float32)
            expected = session.run(None, {given.name: images})
            try:
                files = convert(path, Path(name, path.stem), images.shape)
                for precision, file in files.items():
                    network, parts = open_litert(file, images)
                    away = difference(network, expected)
                    label, size = f"{path.stem}, {precision}", file.stat().st_size / 1e6
                    said[label] = f"{size:.2f} MB, difference {away:.2g}, parts {parts}"
                    calls[label] = network.invoke
                    failed += path.stem != BASELINE and away > TOLERANCES[precision]
            except (RuntimeError, ValueError) as error:
                print(f"{path.stem}: {error}")
                failed += 1
        for label, milliseconds in least(calls).items():
            print(f"{label}: {milliseconds:.1f} ms, {said[label]}")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
