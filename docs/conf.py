"""The site: pages, cards and notebooks where they lie in the repository, so that links hold.

`make docs` builds it from the repository's root into runs/docs. Pages stay plain Markdown that
GitHub shows: what only the site needs stands in a comment, <!-- site ... -->.
"""

import inspect
import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

import depthlib  # noqa: E402  beside this file, not what may be installed

# Where `make` leaves the notebooks that it ran: the newest is shown.
EXECUTED = [*ROOT.glob("runs/*/notebooks"), ROOT / "runs/notebooks", ROOT / "runs/tutorials"]
SITE_ONLY = re.compile(r"<!-- site\n(.*?)-->", re.DOTALL)
NOT_RUN = (
    "```{note}\nThis notebook is shown as it stands in the repository, without what its cells "
    "show. `make demo` or `make tutorials` runs it; then `make docs` shows that too.\n```\n"
)

project = "depthlib"
author = "depthlib"
copyright = "the authors of depthlib"
release = depthlib.__version__

extensions = ["myst_nb", "sphinx.ext.autodoc"]
root_doc = "docs/index"
include_patterns = [
    "docs/**", "models/*.md", "*.ipynb", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md",
]  # fmt: skip
# Folders that are never walked.
exclude_patterns = [".*", "runs", "datasets", "tests", "web", "docs/conf.py"]
myst_heading_anchors = 3
myst_enable_extensions = ["html_image"]
nb_execution_mode = "off"  # as they were run, or not run
nb_merge_streams = True
nb_output_stderr = "remove"  # progress bars, and what TensorFlow says at its import
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True, "exclude-members": "get_config, from_config"}

html_theme = "furo"
html_title = "depthlib"
html_extra_path = ["site"]  # index.html, which leads to docs/index.html
html_show_sourcelink = False
html_copy_source = False
html_css_files = ["depthlib.css"]
html_static_path = ["static"]


def find_executed(docname: str) -> Path | None:
    """The newest notebook of that name that was run."""
    files = [folder / f"{docname}.ipynb" for folder in EXECUTED]
    return max((file for file in files if file.exists()), key=_age, default=None)


def _age(file: Path) -> float:
    return file.stat().st_mtime


def find_outdated(app, env, added, changed, removed):
    """The notebooks that were run after their page was made."""
    made = {name: env.all_docs[name] / 1e6 for name in env.found_docs if name in env.all_docs}
    runs = {name: find_executed(name) for name in made}
    return [name for name, run in runs.items() if run and _age(run) > made[name]]


def read_source(app, docname, source):
    """Takes a notebook as it was run, and uncovers what only the site needs."""
    if not (ROOT / f"{docname}.ipynb").exists():
        source[0] = SITE_ONLY.sub(r"\1", source[0])
        return
    run = find_executed(docname)
    if run:
        app.env.note_dependency(run)
        source[0] = run.read_text(encoding="utf-8")
        return
    notebook = json.loads(source[0])
    note = {"id": "not-run", "cell_type": "markdown", "metadata": {}, "source": NOT_RUN}
    notebook["cells"].insert(1, note)
    notebook["metadata"]["language_info"] = {"name": "python", "pygments_lexer": "ipython3"}
    source[0] = json.dumps(notebook)


def quote_docstring(app, what, name, obj, options, lines):
    """Docstrings are plain words with `code`, in paragraphs; reST would read more into them."""
    text = inspect.cleandoc("\n".join(lines))
    text = re.sub(r"([*|_\\])", r"\\\1", text)
    text = re.sub(r"`([^`\n]+)`", lambda code: f"``{code[1].replace(chr(92), '')}``", text)
    lines[:] = [line.strip() for line in text.split("\n")] + [""]


def setup(app):
    app.connect("env-get-outdated", find_outdated)
    app.connect("source-read", read_source)
    app.connect("autodoc-process-docstring", quote_docstring)
