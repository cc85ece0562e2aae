"""What must hold of every mistake in a config, asked by the short test and the long one alike."""

from mmresneskt.data.classes import set_classes
from mmresneskt.runtime.config.load import load_config
from mmresneskt.runtime.errors import UserError
from mmresneskt.runtime.preflight import Finding, find_problems
from tests.support.helpers import ROOT
from tests.support.image_files import encoded
from tests.support.voc_folder import write


def make_data(root):
    """The data of the two configs."""
    for split in ("train", "val", "test"):
        (root / "data/VOC/ImageSets/Main").mkdir(parents=True, exist_ok=True)
        (root / f"data/VOC/ImageSets/Main/{split}.txt").write_text("a\n")
        folder = root / f"data/photos/{split}/cat"
        folder.mkdir(parents=True)
        (folder / "a.jpg").write_bytes(encoded())
    write(root / "data/VOC", "a", [("dog", 0, 10, 8, 40, 40)])


def findings_of(mistake) -> list[Finding]:
    """What the check says; the folder with the data is the working folder."""
    name, key, meant, value = mistake
    cfg = load_config(str(ROOT / f"configs/{name}.py"))
    cfg.work_dir = "work_dirs"
    cfg.merge_from_dict(dict(load_from=None, resume=False))
    if meant:
        value = _take(cfg, meant)
    set_classes(cfg, None)
    try:
        cfg.merge_from_dict({key: value})
    except (TypeError, KeyError, UserError) as error:
        raise AssertionError(f"{key} cannot be set") from error
    return find_problems(cfg)


def named(mistake):
    """Nothing if the check has an error at the key of the mistake or in what it stands in.

    Otherwise the mistake and all that was found.
    """
    _, key, meant, value = mistake
    findings = findings_of(mistake)
    errors = [finding for finding in findings if finding.level == "error"]
    if any(key in finding.key or key in finding.message for finding in errors):
        return None
    return mistake, findings


def _take(cfg, key):
    """Remove a setting and give back its value, or something in its place where it has none."""
    holder, _, name = key.rpartition(".")
    node = cfg
    for step in holder.split(".") if holder else ():
        node = node[int(step)] if isinstance(node, (list, tuple)) else node.get(step)
        if node is None:
            return 1
    return node.pop(name) if name in node else 1
