"""What a checkpoint from a stranger can bring in: plain values of exact types, and nothing else."""

import io
import pickle
import zipfile
from collections import Counter, OrderedDict

import pytest
import torch
from mmengine.logging import HistoryBuffer
from mmengine.runner.checkpoint import CheckpointLoader

from mmresneskt.runtime.checkpoint import CheckpointError, load_file, loading
from tests.support.attacks import Calls
from tests.support.damage import train as train_tiny
from tests.support.helpers import NOT_DENSE
from tests.support.plain_values import assert_plain, check_programs
from tests.support.toy_run import finish, log, start


def test_programs_of_allowed_names_give_plain_values(tmp_path):
    assert check_programs(tmp_path, range(400)) < 340


TEXT = "open({!r}, 'w')"


@pytest.mark.parametrize("attribute", ["get", "pop", "items", "setdefault"])
@pytest.mark.parametrize("place", ["whole", "meta", "message_hub", "runtime_info"])
def test_an_object_that_answers_for_itself_hides_nothing(attribute, place, tmp_path):
    """An OrderedDict whose attribute ``get`` gives another meta than the one that is there."""
    train_tiny(tmp_path)
    marker = tmp_path / "marker"
    document = torch.load(tmp_path / "epoch_1.pth", weights_only=False)
    text = TEXT.format(str(marker))
    document["meta"].update(config=text, cfg=text)
    document["message_hub"]["runtime_info"]["cfg"] = text
    hub = document["message_hub"]

    def disguised(node):
        return Calls(OrderedDict, [[k, v] for k, v in node.items()], state={attribute: Counter})

    if place == "whole":
        document = disguised(document)
    elif place == "runtime_info":
        hub["runtime_info"] = disguised(hub["runtime_info"])
    else:
        document[place] = disguised(document[place])
    torch.save(document, tmp_path / "epoch_1.pth")
    found = CheckpointLoader.load_checkpoint(str(tmp_path / "epoch_1.pth"), "cpu")
    assert_plain(found)
    assert not {"config", "cfg"} & {*found["meta"], *found["message_hub"]["runtime_info"]}
    assert train_tiny(tmp_path, resume="epoch_1.pth").iter == 4
    assert not marker.exists()


def test_statistics_of_a_history_are_mmengines(tmp_path, monkeypatch):
    """Its own ``__setstate__`` would put the file's functions into the class."""
    history = HistoryBuffer([1.0, 2.0], [1, 1])
    state = dict(history.__getstate__(), statistics_methods={"mean": Counter, "own": OrderedDict})
    file = tmp_path / "x.pth"

    monkeypatch.setattr(HistoryBuffer, "__getstate__", lambda _: state)
    torch.save(dict(message_hub=dict(log_scalars={"a": history})), file)
    (found,) = load_file(file)["message_hub"]["log_scalars"].values()
    assert found.statistics("mean") == 1.5
    assert "own" not in HistoryBuffer._statistics_methods


def test_shared_values_stay_shared_and_cost_nothing(tmp_path):
    node = []
    for _ in range(64):  # 2**64 values, if each were copied by itself
        node = [node, node]
    torch.save(dict(x=node), tmp_path / "x.pth")
    found = load_file(tmp_path / "x.pth")["x"]
    assert found[0] is found[1]
    loop = []
    loop.append(loop)
    torch.save(dict(x=loop), tmp_path / "x.pth")
    with pytest.raises(CheckpointError, match="holds itself"):
        load_file(tmp_path / "x.pth")


def test_what_a_run_does_not_need_is_named(tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr(loading, "print_log", lambda text, **_: said.append(text))
    hub = dict(log_scalars={}, runtime_info=dict(epoch="1", mine=3, cfg="x"), resumed_keys={})
    torch.save(dict(meta=dict(epoch=1, iter=2, mine=1), message_hub=hub), tmp_path / "x.pth")
    found = load_file(tmp_path / "x.pth")
    assert found["meta"] == dict(epoch=1, iter=2)
    assert found["message_hub"]["runtime_info"] == {}
    assert "left out meta.mine, runtime_info.epoch, runtime_info.mine, which" in said[0]


def archive_of(document) -> bytes:
    buffer = io.BytesIO()
    torch.save(document, buffer)
    return buffer.getvalue()


def refused(content, tmp_path, match="refused|damaged|no checkpoint"):
    (tmp_path / "x.pth").write_bytes(content)
    with pytest.raises(CheckpointError, match=match):
        load_file(tmp_path / "x.pth")


def test_two_archives_in_one_file_are_refused(tmp_path):
    one, two = (archive_of(dict(w=torch.full((4,), float(n)))) for n in (1, 2))
    refused(one + two, tmp_path)
    # the second archive as the comment of the first: readers differ in which end they take
    end = one.rindex(b"PK\x05\x06")
    commented = one[: end + 20] + len(two).to_bytes(2, "little") + two
    refused(commented, tmp_path)
    # and in a gap before the directory of the other
    (tmp_path / "x.pth").write_bytes(one)
    assert load_file(tmp_path / "x.pth")["w"].tolist() == [1.0] * 4


def test_records_that_torch_never_writes_are_refused(tmp_path):
    content = pickle.dumps(dict(w=1), protocol=2)

    def archive(*records, **options):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", **options) as file:
            for name, data in records:
                file.writestr(name, data)
        return buffer.getvalue()

    with pytest.warns(UserWarning, match="Duplicate"):
        twice = archive(("a/data.pkl", content), ("a/data/0", b"x"), ("a/data/0", b"y"))
    refused(twice, tmp_path, "two of its records have one name")
    refused(archive(("a/data.pkl", content), ("b/data.pkl", content)), tmp_path, "2 records")
    refused(archive(("a/x", content)), tmp_path, "0 records")
    refused(archive(("a/data.pkl", content), ("a/constants.pkl", b"")), tmp_path, "TorchScript")
    packed = archive(("a/data.pkl", content), compression=zipfile.ZIP_DEFLATED)
    refused(packed, tmp_path, "compressed")
    # a second entry of the directory that means the bytes of the first
    one = archive(("a/data.pkl", content), ("a/data/0", bytes(64)))
    at = one.rindex(b"PK\x01\x02")  # the directory's entry of a/data/0
    overlapping = bytearray(one)
    overlapping[at + 42 : at + 46] = (0).to_bytes(4, "little")
    refused(bytes(overlapping), tmp_path)


def test_tensors_are_within_what_is_stored(tmp_path):
    file = tmp_path / "x.pth"
    torch.save(dict(w=torch.zeros(1).expand(1 << 40)), file)  # 4 TB in no memory at all
    with pytest.raises(CheckpointError, match=r"tensor of 1099511627776 elements, of 1 stored"):
        load_file(file)
    torch.save(dict(w=torch.zeros(4).expand(3, 4)), file)
    assert load_file(file)["w"].shape == (3, 4)


@pytest.mark.parametrize("tensor", NOT_DENSE)
def test_tensors_are_dense(tensor, tmp_path):
    torch.save(dict(w=tensor), tmp_path / "x.pth")
    with pytest.raises(CheckpointError, match=r"asks for torch\.\S+, which plain dense"):
        load_file(tmp_path / "x.pth")


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_a_run_removes_no_path_of_a_file(kind, tmp_path):
    """``interrupted_ckpt``, ``best_ckpt`` and ``keep_ckpt_ids`` of a checkpoint name a victim."""
    settings = {
        "default_hooks.checkpoint.save_best": "mean",
        "default_hooks.checkpoint.rule": "less",
        "default_hooks.checkpoint.max_keep_ckpts": 1,
    }
    first, victims = tmp_path / "first", tmp_path / "victims"
    assert finish(start(first, length=2, **settings)) == 0, log(first)
    document = torch.load(first / "epoch_2.pth", weights_only=False)
    names = ("epoch_1.pth", "iter_7.pth", "best_mean_epoch_1.pth", "thesis")
    for number, name in enumerate(names):
        again = tmp_path / f"again_{number}"
        for folder in (victims, again):
            victim = folder / (name if folder == victims else "thesis")
            folder.mkdir(exist_ok=True)
            (victim if kind == "folder" else folder).mkdir(exist_ok=True)
            (victim / "page" if kind == "folder" else victim).write_text("years")
        path = str(victims / name) if number % 2 else f"../victims/{name}"
        info = document["message_hub"]["runtime_info"]
        info.update(interrupted_ckpt=path, best_ckpt=path, last_ckpt=path, best_score=1e9)
        info["keep_ckpt_ids"] = [f"/../../victims/{name}", "../victims/epoch_1", 1, 2]
        torch.save(document, tmp_path / "bad.pth")
        options = dict(resume=str(tmp_path / "bad.pth"))
        assert finish(start(again, length=4, options=options, **settings)) == 0, log(again)
        assert (again / "epoch_4.pth").exists()
        assert sorted(p.name for p in victims.iterdir()) == sorted(names[: number + 1])
        assert (again / "thesis").exists()
    assert len(list(victims.rglob("page"))) == (4 if kind == "folder" else 0)
