"""One class in mmengine's root registry, and in those of MMDetection and MMPretrain.

The registries of all MM libraries are children of the root and look there last, so that
MMSegmentation, MMPose and the others find the class without being imported here.
MMDetection and MMPretrain have it in registries of their own too, where alone they look for
``mmdet.ResNeSkt`` and ``mmpretrain.ResNeSkt``.
"""

from mmengine.registry import MODELS, Registry

from .environment import optional

LIBRARIES = ("mmdet", "mmpretrain")


def register_backbone(backbone: type) -> tuple[str, ...]:
    """Register ``backbone`` under its name; return the libraries that now have it as their own.

    Importing this package a second time, or reloading it, replaces its own earlier
    registration.

    Raises:
        KeyError: another package has registered the name.
    """
    _register(backbone, MODELS)
    done = []
    for library in LIBRARIES:
        registry = optional(library, "registry")
        if registry is None:
            continue
        _register(backbone, registry.MODELS)
        done.append(library)
    return tuple(done)


def _register(backbone: type, models: Registry) -> None:
    existing = models.module_dict.get(backbone.__name__)
    ours = existing is not None and existing.__module__ == backbone.__module__
    models.register_module(module=backbone, force=ours)
