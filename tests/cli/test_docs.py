"""What the documentation shows can be typed, run and followed."""

import argparse
import importlib
import re
import shlex
from typing import NamedTuple

import pytest
import yaml

import mmresneskt
from mmresneskt.cli import COMMANDS
from mmresneskt.runtime.environment import configs_of
from tests.support.helpers import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
FENCE = re.compile(r"^( *)```(\w*)[^\n]*\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
SCRIPTS = {"tools/train.py": "train", "tools/test.py": "test"}
# how a launch script's arguments become those of the command: tools/*.sh
LAUNCHERS = {
    "tools/dist_train.sh": ("train", lambda config, gpus, *rest: [config, *rest]),
    "tools/dist_test.sh": ("test", lambda config, file, gpus, *rest: [config, file, *rest]),
    "tools/slurm_train.sh": (
        "train",
        lambda p, job, cfg, wd, *rest: [cfg, "--work-dir", wd, *rest],
    ),
    "tools/slurm_test.sh": ("test", lambda p, job, config, file, *rest: [config, file, *rest]),
}
ANYWHERE = ("cd", "cp", "git", "mkdir", "pip", "pre-commit", ".")
# a file that a reader must have: such blocks are compiled, not run
OWN_FILE = re.compile(r"""["'][^"'\s]+\.(?:pth|safetensors|onnx|jpe?g|png)["']""")


class Block(NamedTuple):
    page: str
    line: int
    language: str
    code: str

    def __str__(self):
        return f"{self.page}:{self.line}"


def text_of(page):
    return page.read_text(encoding="utf-8")


def blocks():
    for page in PAGES:
        for match in FENCE.finditer(text_of(page)):
            line = text_of(page).count("\n", 0, match.start()) + 1
            indent, language, code = match.groups()
            code = re.sub(f"^{indent}", "", code, flags=re.MULTILINE)
            yield Block(page.relative_to(ROOT).as_posix(), line, language, code)


BLOCKS = list(blocks())
SHELL = [b for b in BLOCKS if b.language == "bash"]
PYTHON = [b for b in BLOCKS if b.language == "python"]
CONFIGS = [b for b in PYTHON if re.search(r"^_base_ =", b.code, re.MULTILINE)]
RUN = [b for b in PYTHON if b not in CONFIGS and not OWN_FILE.search(b.code)]


def commands(code):
    """The words of each command of a script, without its variables and comments."""
    lexer = shlex.shlex(code.replace("\\\n", " "), posix=True, punctuation_chars="();&|\n")
    lexer.whitespace = " \t"
    lexer.whitespace_split = True
    words = []
    for word in [*lexer, "\n"]:
        if not set(word) <= set("();&|\n"):
            words.append(word)
            continue
        while words and re.match(r"[A-Z_]+=", words[0]):
            words.pop(0)
        if words:
            yield words
        words = []


def without_comments(code):
    return re.sub(r"(^|\s)#[^\n]*", r"\1", code)


def inline_commands(page):
    """Commands in the text: all that stands between backticks and begins with one."""
    prose = FENCE.sub("", text_of(page))
    for span in re.findall(r"`([^`]+)`", prose):
        words = shlex.split(span) if span.startswith(("mmresneskt ", "make ")) else []
        if words and not {"COMMAND", "NAME"} & set(words[:2]):
            yield words


def parse(name, arguments):
    """As ``mmresneskt.cli.call`` does, without running."""
    assert name in COMMANDS, f"there is no command {name}"
    parser = argparse.ArgumentParser()
    importlib.import_module(f"mmresneskt.cli.{name.replace('-', '_')}").add_arguments(parser)
    parser.add_argument("--debug", action="store_true")
    parser.error = lambda message: pytest.fail(f"{name} {' '.join(arguments)}: {message}")
    if "--help" not in arguments:
        return parser.parse_args(arguments)


def check(words):
    """That a command line would be understood."""
    program, *arguments = words
    if program == "python" and arguments[:1] == ["-m"]:
        _, program, *arguments = arguments
    elif program == "python" and arguments[:1] != ["-c"]:
        program, *arguments = arguments
    if program == "mmresneskt":
        if arguments not in (["--help"], ["--version"]):
            parse(arguments[0], arguments[1:])
    elif program in SCRIPTS:
        parse(SCRIPTS[program], arguments)
    elif program in LAUNCHERS:
        name, translate = LAUNCHERS[program]
        parse(name, translate(*arguments))
    elif program == "make":
        targets = re.findall(r"^([a-z-]+):", text_of(ROOT / "Makefile"), re.MULTILINE)
        variables = re.findall(r"^([A-Z]+) \?=", text_of(ROOT / "Makefile"), re.MULTILINE)
        for word in arguments:
            variable, is_set, _ = word.partition("=")
            assert variable in (variables if is_set else targets), word
    elif program == "pytest":
        files = [word for word in arguments if word.startswith("tests/")]
        assert files
        assert all((ROOT / file).is_file() for file in files), files
    elif program == "python":
        compile(arguments[1], "-c", "exec")
    elif program.endswith(".py"):
        assert (ROOT / program).is_file(), program
    else:
        assert program in ANYWHERE, f"unknown program: {program}"


def test_pages_are_there():
    assert len(PAGES) > 14
    assert len(SHELL) > 25
    assert len(RUN) > 3
    assert len(CONFIGS) > 1


def test_readme_is_short():
    assert len(text_of(ROOT / "README.md").splitlines()) <= 150


@pytest.mark.parametrize("block", SHELL, ids=str)
def test_commands_parse(block):
    for words in commands(without_comments(block.code)):
        check(words)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_in_the_text_parse(page):
    for words in inline_commands(page):
        if len(words) == 2 and words[1] in COMMANDS:  # only its name
            continue
        check(words)


def test_what_cannot_be_parsed_is_found():
    for line in ("mmresneskt trane x.py", "mmresneskt export", "tools/dist_train.sh a.py 8 --ampp"):
        with pytest.raises((AssertionError, pytest.fail.Exception)):
            check(line.split())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_configs_that_are_named_exist(page):
    text = text_of(page)
    for package, name in re.findall(r"\b(mmresneskt|mmdet|mmpretrain)::([\w./+-]+\.py)", text):
        if "NAME" not in name:
            assert (configs_of(package) / name).is_file(), f"{package}::{name}"


@pytest.mark.parametrize(
    "page", [p for p in PAGES if p.name != "CHANGELOG.md"], ids=lambda p: p.name
)
def test_files_that_are_named_exist(page):
    files = re.findall(r"[\s`(]((?:configs|docs|mmresneskt|tests|tools)/[\w./*-]+)", text_of(page))
    for file in {file.rstrip(".") for file in files}:
        if "*" not in file and "NAME" not in file:
            assert (ROOT / file).exists(), file


@pytest.mark.parametrize("block", PYTHON, ids=str)
def test_python_compiles(block):
    compile(block.code, str(block), "exec")


@pytest.mark.parametrize("block", RUN, ids=str)
def test_python_runs_and_prints_what_it_says(block, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    exec(compile(block.code, str(block), "exec"), {"__name__": "__main__"})
    code = block.code.rstrip().splitlines()
    said = []
    while code and code[-1].startswith("# "):
        said.insert(0, code.pop()[2:])
    if said:
        assert capsys.readouterr().out.splitlines() == said


@pytest.mark.parametrize("block", CONFIGS, ids=str)
def test_configs_load(block, tmp_path):
    from mmengine.config import Config

    (tmp_path / "config.py").write_text(block.code)
    assert Config.fromfile(tmp_path / "config.py").model.backbone.type == "ResNeSkt"


def slug(heading):
    """The anchor of a heading, as Markdown's toc makes it."""
    heading = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "")
    return re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", heading).strip().lower())


def anchors(page):
    prose = FENCE.sub("", text_of(page))
    found = {slug(h) for h in re.findall(r"^#+ +(.+?) *$", prose, re.MULTILINE)}
    return found | set(re.findall(r"^::: ([\w.]+)", prose, re.MULTILINE))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    prose = re.sub(r"`[^`]*`", "", FENCE.sub("", text_of(page)))
    for target in re.findall(r"\]\(([^)\s]+)", prose):
        if re.match(r"https?://", target):
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        assert file.is_relative_to(ROOT), target
        assert file.is_file(), target
        if anchor:
            assert anchor in anchors(file), target


IDENTIFIERS = re.findall(r"^::: ([\w.]+)", text_of(ROOT / "docs" / "api.md"), re.MULTILINE)


@pytest.mark.parametrize("name", IDENTIFIERS)
def test_what_the_api_page_names_exists(name):
    module, _, attribute = name.rpartition(".")
    assert hasattr(importlib.import_module(module), attribute)


def test_the_api_page_has_what_the_package_gives():
    public = {f"mmresneskt.{name}" for name in mmresneskt.__all__ if name != "__version__"}
    assert public <= set(IDENTIFIERS)


def test_every_command_is_in_the_table():
    assert re.findall(r"^\| `mmresneskt ([\w-]+)`", text_of(ROOT / "docs" / "index.md"), re.M) == [
        *COMMANDS
    ]


def test_every_page_is_in_the_navigation():
    def pages(entry):
        if isinstance(entry, str):
            return [entry]
        children = entry.values() if isinstance(entry, dict) else entry
        return [page for child in children for page in pages(child)]

    listed = pages(yaml.safe_load(text_of(ROOT / "mkdocs.yml"))["nav"])
    roots = {"CHANGELOG.md", "CONTRIBUTING.md"}
    assert set(listed) - roots == {p.name for p in PAGES if p.parent == ROOT / "docs"}
    assert len(set(listed)) == len(listed)


def test_the_changelog_begins_with_this_version():
    versions = re.findall(r"^## (\S+)", text_of(ROOT / "CHANGELOG.md"), re.MULTILINE)
    assert versions[0] == mmresneskt.__version__


def test_one_version_of_ruff():
    pinned = re.search(r"^ruff==(\S+)", text_of(ROOT / "tests" / "requirements.txt"), re.M)[1]
    (repo,) = yaml.safe_load(text_of(ROOT / ".pre-commit-config.yaml"))["repos"]
    assert repo["rev"] == f"v{pinned}"
    assert f"\nruff=={pinned} " in text_of(ROOT / "docs" / "requirements.txt")


def test_the_workflow_calls_targets_that_exist():
    jobs = yaml.safe_load(text_of(ROOT / ".github" / "workflows" / "ci.yml"))["jobs"]
    matrix = jobs["test"]["strategy"]["matrix"]
    rows = [*matrix["include"], *({"target": t} for t in matrix["target"])]
    called = [f"make {row['target']}" for row in rows]
    for job in jobs.values():
        lines = [line for step in job["steps"] for line in step.get("run", "").splitlines()]
        called += [line for line in lines if line.startswith("make ") and "$" not in line]
    assert {"make docs PYTHON=python", "make dist PYTHON=python", "make test"} <= set(called)
    for line in called:
        check(line.split())
    for row in matrix["include"]:
        assert row["constraints"] == "/dev/null" or (ROOT / row["constraints"]).is_file()
