"""Are the files in folders of classes the samples that they are meant to be?"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator

from mmengine.dataset import BaseDataset

from .files import makes_its_files
from .findings import Finding, error, shown, warning


def folder_problems(datasets: list[BaseDataset], key: str) -> Iterator[Finding]:
    """Classes without an image, files that are left out, and hidden folders that are not.

    Args:
        datasets: behind one loader; MMPretrain's folders of class folders are looked at.
        key: of that loader in the config.
    """
    images: Counter[str] = Counter()
    places = []
    for dataset in datasets:
        folder = str(getattr(dataset, "img_prefix", ""))
        if not hasattr(dataset, "folder_to_idx") or not os.path.isdir(folder):
            continue
        if makes_its_files(type(dataset)):  # few images are what was asked for
            continue
        places.append(folder)
        left_out: Counter[str] = Counter()
        for name in dataset.folder_to_idx:
            images[name] += 0
            for path, _, files in os.walk(os.path.join(folder, name), followlinks=True):
                visible = [file for file in files if not file.startswith(".")]
                taken = [file for file in visible if dataset.is_valid_file(file)]
                others = [file for file in visible if not dataset.is_valid_file(file)]
                left_out.update(os.path.splitext(file)[1] or "none" for file in others)
                if taken and "/." in path.removeprefix(folder):
                    yield error(
                        key,
                        f"{path} ({key}) is hidden, and its {len(taken)} images would be taken "
                        f"for the class {name!r}: remove it",
                    )
                images[name] += len(taken)
        if left_out:
            endings = ", ".join(f"{count} {ending}" for ending, count in left_out.most_common())
            yield warning(
                key,
                f"{folder} ({key}) holds {left_out.total()} files that are left out for their "
                f"ending: {endings}. Taken are {', '.join(sorted(dataset.extensions))}",
            )
    empty = [name for name, number in images.items() if not number]
    if empty:
        # what is never seen is not learnt; a test set may lack it
        yield (error if key.startswith("train") else warning)(
            key, f"{' and '.join(places)} ({key}): no image of the class {shown(empty)}"
        )
