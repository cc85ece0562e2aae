"""One class, registered once in the registry of each MM library that is installed."""

from .environment import optional

LIBRARIES = ("mmdet", "mmpretrain")


def register_backbone(backbone: type) -> tuple[str, ...]:
    """Register ``backbone`` under its name; return the libraries that now have it.

    Importing this package a second time, or reloading it, replaces its own earlier
    registration.

    Raises:
        KeyError: another package has registered the name.
    """
    done = []
    for library in LIBRARIES:
        registry = optional(library, "registry")
        if registry is None:
            continue
        models = registry.MODELS
        existing = models.module_dict.get(backbone.__name__)
        ours = existing is not None and existing.__module__ == backbone.__module__
        models.register_module(module=backbone, force=ours)
        done.append(library)
    return tuple(done)
