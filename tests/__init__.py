"""The tests."""

import sys
from pathlib import Path

# What lies beside the commands of tools/ is imported as they do it.
sys.path.append(str(Path(__file__).parents[1] / "tools"))
