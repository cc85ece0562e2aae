"""Several processes on CPUs, by the scripts a user starts them with."""

import json
import os
import pickle
import signal
import socket
import time

import pytest
import torch
from mmengine.config import Config

from mmresneskt.runtime.distributed import prepare, replace_sync_bn
from mmresneskt.runtime.fault_tolerance import resume
from mmresneskt.runtime.fault_tolerance.resume import set_resume
from mmresneskt.runtime.launcher import LAUNCH
from mmresneskt.runtime.pictures.curves import read_scalars
from tests.support.helpers import ROOT, not_on_torch_2_1, run_tool
from tests.support.processes import (
    CLASSIFIER,
    DETECTOR,
    finish,
    parameters,
    record,
    start,
    train,
    write,
)
from tests.support.toy_run import config as toy_config
from tests.support.toy_run import train as train_toy


def assert_same_training(folder, alone):
    """Two ranks have the same parameters, and with them the losses of one process."""
    ours, theirs = parameters(folder, 0), parameters(folder, 1)
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    ranks = torch.tensor([record(folder, rank)["losses"] for rank in (0, 1)])
    expected = torch.tensor(record(alone)["losses"])
    assert ranks.shape[1] == len(expected)
    torch.testing.assert_close(ranks.mean(0), expected, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(ranks[0], ranks[1])  # each had images of its own
    assert expected[0] != expected[-1]


@pytest.fixture(scope="module", params=[DETECTOR, CLASSIFIER], ids=["detector", "classifier"])
def runs(request, tmp_path_factory):
    """One process with batches of 4, two with batches of 2."""
    folder = tmp_path_factory.mktemp("runs")
    alone, pair = folder / "alone", folder / "pair"
    config = write(alone, request.param, batch=4)
    done = run_tool("train", config, "--work-dir", alone, "--no-report", cwd=ROOT)
    assert done.returncode == 0, done.stderr
    config = write(pair, request.param, batch=2)
    output = finish(start("dist_train.sh", config, 2, "--work-dir", pair))
    assert (pair / "report.html").exists()
    return folder, output, request.param


def test_two_processes_train_as_one_with_the_doubled_batch(runs):
    assert_same_training(runs[0] / "pair", runs[0] / "alone")


def test_two_processes_evaluate_as_one(runs):
    folder = runs[0]
    config, checkpoint = folder / "pair/config.py", folder / "pair/epoch_1.pth"
    found = []
    for name in ("one", "two"):
        out = ["--work-dir", folder / name, "--out", folder / f"{name}.pkl"]
        if name == "one":
            done = run_tool("test", config, checkpoint, *out, cwd=ROOT)
            assert done.returncode == 0, done.stderr
        else:
            finish(start("dist_test.sh", config, checkpoint, 2, *out))
        values = json.loads(next((folder / name).glob("*/2*.json")).read_text())
        assert values.pop("rank") == 0  # who alone writes: what two write at once is garbled
        metrics = {k: v for k, v in values.items() if "time" not in k}
        found.append((metrics, pickle.loads((folder / f"{name}.pkl").read_bytes())))
    (metrics, ours), (theirs_metrics, theirs) = found
    assert metrics == pytest.approx(theirs_metrics, rel=1e-4)
    assert len(ours) == len(theirs) > 0
    for one, two in zip(ours, theirs):
        one, two = (x.get("pred_instances", x) for x in (one, two))
        for key in ("bboxes", "scores", "pred_score"):
            if key in one:
                torch.testing.assert_close(one[key], two[key], rtol=1e-4, atol=1e-4)


def test_two_machines_train_as_one_process(runs):
    folder, _, text = runs
    pair = folder / "machines"
    config = write(pair, text, batch=2)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    machines = [
        start(
            *("dist_train.sh", config, 1, "--work-dir", pair, "--no-report"),
            **dict(NNODES=2, NODE_RANK=rank, MASTER_ADDR="127.0.0.1", PORT=port),
        )
        for rank in (0, 1)
    ]
    for machine in machines:
        finish(machine)
    assert_same_training(pair, folder / "alone")


def test_a_killed_process_is_started_again_and_the_run_ends_where_it_should(tmp_path):
    folder = tmp_path / "run"
    config = write(folder, CLASSIFIER, batch=4, epochs=4)
    process = start("dist_train.sh", config, 2, "--work-dir", folder, "--no-report")
    deadline = time.monotonic() + 300
    while not (folder / "last_checkpoint").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(int((folder / "pid1").read_text()), signal.SIGKILL)
    output = finish(process)
    assert "resumed epoch: " in output
    steps_per_epoch = 48 // 8
    for rank in (0, 1):
        found = record(folder, rank)
        assert found["iterations"] == 4 * steps_per_epoch
        assert len(found["losses"]) < 4 * steps_per_epoch  # the second start's alone
    ours, theirs = parameters(folder, 0), parameters(folder, 1)
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert sorted(read_scalars(folder)[0]) == list(range(1, 4 * steps_per_epoch + 1))


@pytest.mark.parametrize(
    "options",
    [
        ["optim_wrapper.accumulative_counts=2"],
        ["model.backbone.with_cp=True", "model.backbone.frozen_stages=1"],
        pytest.param(
            [
                "runner_type=FlexibleRunner",
                "strategy.type=FSDPStrategy",
                "strategy.model_wrapper.type=MMFullyShardedDataParallel",
                "strategy.model_wrapper.device_id=cpu",
            ],
            marks=not_on_torch_2_1("has FSDP on a GPU only"),
        ),
    ],
    ids=["accumulation", "checkpointing and frozen stages", "FSDP"],
)
def test_what_is_an_option_trains_on_two_processes(tmp_path, options):
    folder = tmp_path / "run"
    output = train(write(folder, CLASSIFIER, batch=8), "--auto-scale-lr", "--cfg-options", *options)
    base = 16.0 if "accumulative_counts" in options[0] else 32
    assert f"LR is set based on batch size of {base} and the current batch size is 16" in output
    assert record(folder)["iterations"] == 48 // 16
    assert (folder / "epoch_1.pth").exists()


def test_synchronised_norms_become_plain_ones_on_cpus_and_that_is_said_once(tmp_path):
    folder = tmp_path / "run"
    config = write(folder, CLASSIFIER, batch=8)
    norm = "model.backbone.norm_cfg.type=SyncBN"
    output = train(config, "--cfg-options", norm, "model.backbone.norm_eval=False")
    assert output.count("SyncBN does not run on CPUs") == 1
    ours, theirs = parameters(folder, 0), parameters(folder, 1)
    learnt = [name for name in ours if "running" not in name and "num_batches" not in name]
    assert all(torch.equal(ours[name], theirs[name]) for name in learnt)


def test_a_mistake_is_told_and_not_tried_again(tmp_path):
    config = write(tmp_path / "run", CLASSIFIER, batch=8)
    process = start("dist_train.sh", config, 2, "--cfg-options", "load_from=missing.pth")
    output = process.communicate(timeout=300)[0]
    assert process.returncode == 2, output[-3000:]
    assert 1 <= output.count("error: ") <= 2  # of each process, or of the first to end
    assert "missing.pth does not exist" in output


def test_the_group_is_closed_at_the_end(tmp_path, monkeypatch):
    """A process that ends with an open one may abort."""
    group = dict(MASTER_ADDR="127.0.0.1", MASTER_PORT="0", RANK="0", WORLD_SIZE="1")
    for name, value in dict(group, LOCAL_RANK="0", GLOO_SOCKET_IFNAME="lo").items():
        monkeypatch.setenv(name, value)
    train_toy(toy_config(tmp_path, length=1, launcher="pytorch"))
    assert (tmp_path / "last_checkpoint").exists()
    assert not torch.distributed.is_initialized()


def test_one_process_and_gpus_are_left_to_mmengine():
    cfg = Config(dict(model=dict(norm_cfg=dict(type="SyncBN"))))
    prepare(cfg)
    assert cfg.model.norm_cfg.type == "SyncBN"
    assert "model_wrapper_cfg" not in cfg


def test_both_kinds_of_synchronised_norms_are_found_wherever_they_are():
    model = dict(norm_cfg=dict(type="SyncBN"), heads=[dict(norm=dict(type="MMSyncBN", eps=0.1))])
    assert replace_sync_bn(model) == 2
    assert model == dict(norm_cfg=dict(type="BN"), heads=[dict(norm=dict(type="BN", eps=0.1))])


def test_only_this_launchs_checkpoints_are_gone_on_with(tmp_path, monkeypatch):
    def chosen(folder):
        cfg = Config(dict(work_dir=str(folder), load_from="given.pth"))
        set_resume(cfg, None)
        return cfg.load_from

    checkpoint = tmp_path / "epoch_1.pth"
    hub = dict(log_scalars={}, runtime_info=dict(launch=LAUNCH), resumed_keys={})
    meta = dict(epoch=1, iter=1)
    torch.save(dict(meta=meta, message_hub=hub, state_dict={}, optimizer={}), checkpoint)
    (tmp_path / "last_checkpoint").write_text(str(checkpoint))
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "1")
    assert chosen(tmp_path) == "given.pth"  # started without torchrun.sh
    monkeypatch.setenv("MMRESNESKT_LAUNCH", "one")
    monkeypatch.setattr(resume, "LAUNCH", "another")
    assert chosen(tmp_path) == "given.pth"
    monkeypatch.setattr(resume, "LAUNCH", LAUNCH)
    assert chosen(tmp_path) == str(checkpoint)
    assert chosen(tmp_path / "new") == "given.pth"
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "0")
    assert chosen(tmp_path) == "given.pth"
