"""The ResNet-50-based configs that an installed MM library brings."""

from __future__ import annotations

from pathlib import Path

from mmengine.config import Config

from mmresneskt.runtime.environment import configs_of
from mmresneskt.runtime.errors import UserError

LIBRARIES = {
    "mmdet": "MMDetection",
    "mmseg": "MMSegmentation",
    "mmpose": "MMPose",
    "mmrotate": "MMRotate",
}


def zoo_folder(library: str = "mmdet") -> Path:
    """``configs`` of an installed library.

    Raises:
        UserError: it is not installed.
    """
    folder = configs_of(library)
    if folder is None:
        raise UserError(f"{LIBRARIES[library]} ({library}) is not installed")
    return folder


def resnet50_configs(library: str = "mmdet") -> tuple[list[str], dict[str, str]]:
    """Names ``FOLDER/NAME.py`` of the configs, and of those that cannot be read, with why.

    A config counts whose detector, or whose tracker's detector, has as backbone a ResNet,
    or one of its kin, of 50 layers.
    """
    folder = zoo_folder(library)
    names, unreadable = [], {}
    for file in sorted(folder.rglob("*.py")):
        name = str(file.relative_to(folder))
        if "_base_" in name:
            continue
        try:
            cfg = Config.fromfile(file)
        except Exception as error:  # a config is Python: anything can go wrong in it
            unreadable[name] = (
                # the first line: the path that is searched may follow
                (str(error).splitlines() or [""])[0]
                .replace(f"{folder}/", "")
                .replace(f"{folder.parent.parent}/", "")
            )
            continue
        if _is_resnet50(cfg.get("model") or {}):
            names.append(name)
    return names, unreadable


def _is_resnet50(model: dict) -> bool:
    backbones = [part.get("backbone") for part in (model, model.get("detector") or {})]
    return any(b and b.get("depth") == 50 and "ResNe" in str(b.get("type")) for b in backbones)
