"""Hooks of mkdocs: pages that lie outside docs/, and the roles of docstrings."""

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

_ROOT = Path(__file__).resolve().parents[1]
_PAGES = ("CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "CITATION.cff")
_RESULTS = (".md", ".json", ".png")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the measured results and the pages of the repository's root."""
    found = [_ROOT / name for name in _PAGES]
    found += sorted(p for p in (_ROOT / "results").iterdir() if p.suffix in _RESULTS)
    for path in found:
        name = path.relative_to(_ROOT).as_posix()
        files.append(File.generated(config, name, abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, **_: object) -> str:
    """Links that are right in the repository, as they are in the site: all in one folder."""
    return re.sub(r"(?<=\]\()(?:docs|\.\.)/", "", markdown)


def on_page_content(html: str, **_: object) -> str:
    """Docstrings have Sphinx's roles, ``:func:`name```, which Markdown does not know."""
    return re.sub(r":(?:attr|class|data|func|meth|mod):(?=<code>)", "", html)
