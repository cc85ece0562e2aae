"""Several processes on CPUs, by the scripts a user starts them with."""

import json
import os
import pickle
import re
import signal
import socket
import subprocess
import sys
import time

import pytest
import torch
from mmengine.config import Config

from mmresneskt.commands.distributed import prepare
from mmresneskt.commands.resume import set_resume
from mmresneskt.sync_bn import replace_sync_bn
from mmresneskt.visualization import read_scalars

from .helpers import ROOT, run_tool

# The embedded detector, smaller. Nothing is drawn at random, and every mean is over as many
# values in one process as in several: all anchors, and all of a fixed number of proposals.
DETECTOR = """
_base_ = "{root}/configs/faster_rcnn_resneskt_parcels.py"
custom_imports = dict(imports=["mmresneskt", "mmresneskt.datasets", "tests.recording"])
custom_hooks = [dict(type="RecordHook", folder="{folder}")]
randomness = dict(seed=0)
model = dict(
    backbone=dict(depth=14, norm_eval=True),
    train_cfg=dict(
        rpn=dict(
            assigner=dict(pos_iou_thr=0.5, neg_iou_thr=0.5),
            sampler=dict(num=100000, pos_fraction=1.0),
        ),
        rpn_proposal=dict(max_per_img=20),
        rcnn=dict(sampler=dict(num=100, pos_fraction=1.0, add_gt_as_proposals=False)),
    ),
)
train_pipeline = [step for step in _base_.train_pipeline if step["type"] != "RandomFlip"]
train_dataloader = dict(
    batch_size={batch},
    num_workers=0,
    persistent_workers=False,
    dataset=dict(num_images=12, pipeline=train_pipeline),
)
val_dataloader = dict(
    batch_size=1, num_workers=0, persistent_workers=False, dataset=dict(num_images=5)
)
test_dataloader = val_dataloader
optim_wrapper = dict(optimizer=dict(lr=1e-4))
train_cfg = dict(max_epochs={epochs}, val_interval=1)
param_scheduler = []
default_hooks = dict(logger=dict(interval=1), checkpoint=dict(max_keep_ckpts=9))
"""
CLASSIFIER = """
_base_ = "{root}/configs/resneskt_parcels10.py"
custom_imports = dict(
    imports=["mmresneskt", "mmresneskt.classification", "tests.recording"]
)
custom_hooks = [dict(type="RecordHook", folder="{folder}")]
randomness = dict(seed=0)
model = dict(backbone=dict(norm_eval=True))
train_dataloader = dict(
    batch_size={batch}, num_workers=0, dataset=dict(num_images=48, pipeline=_base_.pipeline)
)
val_dataloader = dict(batch_size=16, num_workers=0, dataset=dict(num_images=40))
test_dataloader = val_dataloader
val_cfg = dict(train_dataloader=dict(num_workers=0, dataset=dict(num_images=40)))
train_cfg = dict(max_epochs={epochs})
param_scheduler = []
default_hooks = dict(logger=dict(interval=1))
"""


def write(folder, text, batch, epochs=1):
    """The config of a run that keeps its record, and its work folder, in ``folder``."""
    folder.mkdir(parents=True)
    config = folder / "config.py"
    config.write_text(text.format(root=ROOT, folder=folder, batch=batch, epochs=epochs))
    return config


def start(script, *arguments, **variables):
    """A script of tools/ in the background, as a user starts it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = dict(PORT=port, PYTHON=sys.executable, PYTHONPATH=ROOT, OMP_NUM_THREADS=1)
    environment.update(GLOO_SOCKET_IFNAME="lo", **variables)
    return subprocess.Popen(
        [str(ROOT / "tools" / script), *map(str, arguments)],
        env={**os.environ, **{name: str(value) for name, value in environment.items()}},
        cwd=arguments[0].parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(process):
    try:
        output = process.communicate(timeout=300)[0]
    except subprocess.TimeoutExpired:
        process.terminate()  # torchrun ends its processes, then itself
        output = process.communicate()[0]
    assert process.returncode == 0, output[-3000:]
    return output


def train(config, *options):
    return finish(start("dist_train.sh", config, 2, "--work-dir", config.parent, *options))


def record(folder, rank=0):
    return json.loads((folder / f"rank{rank}.json").read_text())


def parameters(folder, rank=0):
    return torch.load(folder / f"rank{rank}.pth", weights_only=True)


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
    done = run_tool("train", write(alone, request.param, batch=4), "--work-dir", alone, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    output = train(write(pair, request.param, batch=2))
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
            *("dist_train.sh", config, 1, "--work-dir", pair),
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
    process = start("dist_train.sh", config, 2, "--work-dir", folder)
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
        [
            "runner_type=FlexibleRunner",
            "strategy.type=FSDPStrategy",
            "strategy.model_wrapper.type=MMFullyShardedDataParallel",
            "strategy.model_wrapper.device_id=cpu",
        ],
    ],
    ids=["accumulation", "checkpointing and frozen stages", "FSDP"],
)
def test_what_is_an_option_trains_on_two_processes(tmp_path, options):
    folder = tmp_path / "run"
    output = train(write(folder, CLASSIFIER, batch=8), "--auto-scale-lr", "--cfg-options", *options)
    assert "LR is set based on batch size of 32 and the current batch size is 16" in output
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


def test_one_process_and_gpus_are_left_to_mmengine():
    cfg = Config(dict(model=dict(norm_cfg=dict(type="SyncBN"))))
    prepare(cfg)
    assert cfg.model.norm_cfg.type == "SyncBN"
    assert "model_wrapper_cfg" not in cfg


def test_both_kinds_of_synchronised_norms_are_found_wherever_they_are():
    model = dict(norm_cfg=dict(type="SyncBN"), heads=[dict(norm=dict(type="MMSyncBN", eps=0.1))])
    assert replace_sync_bn(model) == 2
    assert model == dict(norm_cfg=dict(type="BN"), heads=[dict(norm=dict(type="BN", eps=0.1))])


@pytest.mark.parametrize("script", ["dist_train", "dist_test", "slurm_train", "slurm_test"])
def test_a_script_without_its_arguments_says_what_they_are(script, tmp_path):
    process = start(f"{script}.sh", tmp_path / "config.py")
    assert "usage: " in process.communicate(timeout=60)[0]
    assert process.returncode == 2


def endpoint(script, arguments, tmp_path, **variables):
    """Where a script has torchrun's processes meet; a stand-in for python prints it."""
    stand_in = tmp_path / "python"
    stand_in.write_text("#!/bin/sh\nprintf '%s\\n' \"$@\"\n")
    stand_in.chmod(0o755)
    environment = {k: v for k, v in os.environ.items() if k != "PORT"}
    command = [ROOT / "tools" / script, *arguments]
    environment.update(variables, PYTHON=str(stand_in))
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    (found,) = [line for line in done.stdout.splitlines() if line.startswith("--rdzv-endpoint=")]
    return found.partition("=")[2]


def test_two_runs_on_one_machine_do_not_meet_at_one_port(tmp_path):
    command = ("dist_train.sh", ["config.py", "2"], tmp_path)
    assert endpoint(*command) == "127.0.0.1:0"  # torchrun finds a free one
    assert endpoint(*command, PORT="1234") == "127.0.0.1:1234"
    assert endpoint(*command, NNODES="2", MASTER_ADDR="host") == "host:29500"
    (tmp_path / "srun").write_text('while [ "$1" != bash ]; do shift; done; exec "$@"')
    (tmp_path / "scontrol").write_text("echo first")
    for name in ("srun", "scontrol"):
        text = (tmp_path / name).read_text()
        (tmp_path / name).write_text(f"#!/usr/bin/env bash\n{text}\n")
        (tmp_path / name).chmod(0o755)
    slurm = ("slurm_train.sh", ["part", "job", "config.py", "work"], tmp_path)
    job = dict(SLURM_JOB_NODELIST="n[1-2]", SLURM_NODEID="1", GPUS="2", GPUS_PER_NODE="1")
    job["PATH"] = f"{tmp_path}:{os.environ['PATH']}"
    found = [
        endpoint(*slurm, **job, SLURM_JOB_ID=number, SLURM_STEP_ID=step)
        for number, step in (("70123", "0"), ("70123", "1"), ("70124", "0"), ("70123", "0"))
    ]
    assert len(set(found)) == 3
    assert found[0] == found[3]  # on every machine of the job
    assert all(re.fullmatch(r"first:2\d{4}", text) for text in found)
    assert endpoint(*slurm, **job, SLURM_JOB_ID="1", SLURM_STEP_ID="0", PORT="5") == "first:5"


def test_slurm_scripts_start_one_torchrun_on_each_machine(tmp_path):
    """With stand-ins for srun and scontrol, which start the job's tasks on this machine."""
    folder = tmp_path / "run"
    config = write(folder, CLASSIFIER, batch=2)
    (tmp_path / "bin").mkdir()
    srun = f"""#!/usr/bin/env bash
printf '%s\\n' "$@" > {tmp_path}/srun.txt
while [[ $1 == -* ]]; do [[ $1 == -p ]] && shift; shift; done
export SLURM_JOB_NODELIST=localhost SLURM_JOB_ID=70123 SLURM_STEP_ID=2
SLURM_NODEID=0 "$@" & SLURM_NODEID=1 "$@" & wait -n && wait -n
"""
    for name, text in (("srun", srun), ("scontrol", "#!/bin/sh\necho 127.0.0.1\n")):
        (tmp_path / "bin" / name).write_text(text)
        (tmp_path / "bin" / name).chmod(0o755)
    process = subprocess.run(
        [ROOT / "tools/slurm_train.sh", "part", "job", config, folder],
        env=dict(
            os.environ,
            PATH=f"{tmp_path / 'bin'}:{os.environ['PATH']}",
            **dict(GPUS="2", GPUS_PER_NODE="1", CPUS_PER_TASK="3", SRUN_ARGS="--time=10"),
            **dict(PYTHON=sys.executable, PYTHONPATH=str(ROOT), GLOO_SOCKET_IFNAME="lo"),
        ),
        capture_output=True,
        text=True,
        timeout=400,
        cwd=tmp_path,
    )
    assert process.returncode == 0, process.stderr[-3000:]
    asked = (tmp_path / "srun.txt").read_text().splitlines()
    assert asked[:9] == [
        *("-p", "part", "--job-name=job", "--gres=gpu:1", "--nodes=2", "--ntasks=2"),
        *("--ntasks-per-node=1", "--cpus-per-task=3", "--kill-on-bad-exit=1"),
    ]
    assert asked[9] == "--time=10"
    assert record(folder, 1)["iterations"] == 12


def test_only_this_launchs_checkpoints_are_gone_on_with(tmp_path, monkeypatch):
    def chosen(folder):
        cfg = Config(dict(work_dir=str(folder), load_from="given.pth"))
        set_resume(cfg, None)
        return cfg.load_from

    checkpoint = tmp_path / "epoch_1.pth"
    torch.save(dict(meta=dict(epoch=1, iter=1), message_hub={}, state_dict={}), checkpoint)
    (tmp_path / "last_checkpoint").write_text(str(checkpoint))
    os.utime(checkpoint, (1000, 1000))
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "1")
    assert chosen(tmp_path) == "given.pth"  # started without torchrun.sh
    monkeypatch.setenv("MMRESNESKT_LAUNCHED", "1001")
    assert chosen(tmp_path) == "given.pth"  # another run's
    monkeypatch.setenv("MMRESNESKT_LAUNCHED", "1000")
    assert chosen(tmp_path) == str(checkpoint)
    assert chosen(tmp_path / "new") == "given.pth"
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "0")
    assert chosen(tmp_path) == "given.pth"
