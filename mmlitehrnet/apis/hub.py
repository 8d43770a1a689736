"""Models by name: of the zoo, and of the metafiles of the installed libraries."""

from __future__ import annotations

from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlparse

from mmengine.infer import BaseInferencer

from ..checkpoints import zoo


def find_model(name: str, *scopes: str) -> tuple[Path, Path]:
    """Find the config of a published model, and download its weights once.

    Args:
        name: The model's name, or another one that its metafile gives.
        *scopes: Packages whose metafiles are looked in, as 'mmpose'; 'mmlitehrnet' for
            the zoo.

    Returns:
        The config, and the weights in PyTorch's cache, ``$TORCH_HOME/hub/checkpoints``.

    Raises:
        ValueError: If no metafile names it, or the weights cannot be downloaded.
    """
    if "mmlitehrnet" in scopes and name in zoo.models():
        return zoo.fetch(name)
    known = {}
    for scope in filter(find_spec, scopes):  # Those that are installed.
        folder = Path(BaseInferencer._get_repo_or_mim_dir(scope))
        for model in BaseInferencer._get_models_from_metafile(str(folder)):
            if model.get("Config") and model.get("Weights"):
                alias = model.get("Alias") or []
                names = [alias] if isinstance(alias, str) else alias
                found = folder / model["Config"], model["Weights"]
                known.update(dict.fromkeys([model["Name"], *names], found))
    if name not in known:
        close = (
            ", ".join(get_close_matches(name, known, cutoff=0.3)) or "none is like it"
        )
        raise ValueError(
            f"model {name!r} is not in the metafiles of {' and '.join(scopes)}: {close}"
        )
    config, url = known[name]
    return config, zoo.download(url, Path(urlparse(url).path).name)
