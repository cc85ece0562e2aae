"""tools/{dist,slurm}_{train,test}.sh: whom they start, and where these meet."""

import os
import re
import socket
import subprocess
import sys

import pytest

from tests.support.helpers import ROOT
from tests.support.processes import CLASSIFIER, record, start, write
from tests.support.python import python


@pytest.mark.parametrize("script", ["dist_train", "dist_test", "slurm_train", "slurm_test"])
def test_a_script_without_its_arguments_says_what_they_are(script, tmp_path):
    process = start(f"{script}.sh", tmp_path / "config.py")
    assert "usage: " in process.communicate(timeout=60)[0]
    assert process.returncode == 2


def torchrun_option(option, script, arguments, tmp_path, **variables):
    """With what a script starts torchrun; a stand-in for python prints it."""
    stand_in = tmp_path / "python"
    stand_in.write_text("#!/bin/sh\nprintf '%s\\n' \"$@\"\n")
    stand_in.chmod(0o755)
    environment = {k: v for k, v in os.environ.items() if k not in ("PORT", "MAX_RESTARTS")}
    command = [ROOT / "tools" / script, *arguments]
    environment.update(variables, PYTHON=str(stand_in))
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    (found,) = [line for line in done.stdout.splitlines() if line.startswith(f"--{option}=")]
    return found.partition("=")[2]


def slurm(tmp_path):
    """Variables of one machine's part of a job, with stand-ins for srun and scontrol."""
    bodies = {"srun": 'while [ "$1" != bash ]; do shift; done; exec "$@"', "scontrol": "echo first"}
    for name, body in bodies.items():
        (tmp_path / name).write_text(f"#!/usr/bin/env bash\n{body}\n")
        (tmp_path / name).chmod(0o755)
    return dict(
        SLURM_JOB_NODELIST="n[1-2]",
        **dict(SLURM_NODEID="1", SLURM_JOB_ID="1", SLURM_STEP_ID="0"),
        **dict(GPUS="2", GPUS_PER_NODE="1", PATH=f"{tmp_path}:{os.environ['PATH']}"),
    )


def test_two_runs_on_one_machine_do_not_meet_at_one_port(tmp_path):
    command = ("rdzv-endpoint", "dist_train.sh", ["config.py", "2"], tmp_path)
    assert torchrun_option(*command) == "127.0.0.1:0"  # torchrun finds a free one
    assert torchrun_option(*command, PORT="1234") == "127.0.0.1:1234"
    assert torchrun_option(*command, NNODES="2", MASTER_ADDR="host") == "host:29500"


def test_a_port_in_use_is_one_line(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        process = start("dist_train.sh", ROOT / "config.py", 2, PORT=port)
        output = process.communicate(timeout=60)[0]
        group = dict(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port), RANK="0", WORLD_SIZE="2")
        command = [python(), "-m", "mmresneskt", "train", "--launcher", "pytorch"]
        command += ["--no-check", "mmresneskt::resneskt_parcels10.py"]
        captured = dict(capture_output=True, text=True)
        done = subprocess.run(command, cwd=tmp_path, env={**os.environ, **group}, **captured)
    assert process.returncode == 2
    (line,) = output.splitlines()
    assert line.startswith(f"error: PORT={port} cannot be used: ")
    assert done.returncode == 2
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"error: port {port} is in use, ")
    assert "MASTER_PORT" in last
    assert "Traceback" not in done.stderr


def test_two_jobs_that_share_machines_do_not_meet_at_one_port(tmp_path):
    command = ("rdzv-endpoint", "slurm_train.sh", ["part", "job", "config.py", "work"], tmp_path)
    job = slurm(tmp_path)
    found = [
        torchrun_option(*command, **{**job, "SLURM_JOB_ID": number, "SLURM_STEP_ID": step})
        for number, step in (("70123", "0"), ("70123", "1"), ("70124", "0"), ("70123", "0"))
    ]
    assert len(set(found)) == 3
    assert found[0] == found[3]  # on every machine of the job
    assert all(re.fullmatch(r"first:2\d{4}", text) for text in found)
    assert torchrun_option(*command, **job, PORT="5") == "first:5"


def test_a_training_is_started_again_and_an_evaluation_is_not(tmp_path):
    job = slurm(tmp_path)
    for script, arguments, restarts in (
        ("dist_train.sh", ["config.py", "2"], "3"),
        ("dist_test.sh", ["config.py", "x.pth", "2"], "0"),
        ("slurm_train.sh", ["part", "job", "config.py", "work"], "3"),
        ("slurm_test.sh", ["part", "job", "config.py", "x.pth"], "0"),
    ):
        command = ("max-restarts", script, arguments, tmp_path)
        assert torchrun_option(*command, **job) == restarts, script
        assert torchrun_option(*command, **job, MAX_RESTARTS="7") == "7", script


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
            **dict(PYTHON=sys.executable, PYTHON_EXEC=python()),
            **dict(PYTHONPATH=str(ROOT), GLOO_SOCKET_IFNAME="lo"),
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
