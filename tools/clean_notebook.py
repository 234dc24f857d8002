"""Git's filter for notebooks: what is committed has no outputs, however often it was run.

`make lab` sets it up for the clone, and .gitattributes names it. Reads a notebook from stdin and
writes it to stdout. It needs nothing but Python: git calls it for each notebook that may have
changed.
"""

import json
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

# Lab writes the versions of whoever runs it.
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def clean(data: bytes) -> bytes:
    """A notebook with code, words and tags alone, as Lab would write it; all else as it is."""
    try:
        notebook = json.loads(data)
        for cell in notebook["cells"]:
            if cell["cell_type"] == "code":
                cell |= {"outputs": [], "execution_count": None}
            tags = cell["metadata"].get("tags")
            cell["metadata"] = {"tags": tags} if tags else {}
            cell["source"] = "".join(cell["source"]).splitlines(keepends=True)
    except (ValueError, KeyError, TypeError, AttributeError):
        return data
    notebook["metadata"] = METADATA
    return (json.dumps(notebook, ensure_ascii=False, indent=1, sort_keys=True) + "\n").encode()


def tell_git(model: dict, os_path: str, **_: object) -> None:
    """Lab's hook after a save: a notebook that was run alone is unchanged for git's status too.

    Git takes a file of another size for changed without its filter. Where the filter finds no
    change, the index gets the new size, and nothing else.
    """
    path = Path(os_path)
    if model["type"] != "notebook":
        return
    with suppress(OSError):  # there may be no git
        for words in (["diff", "--quiet"], ["update-index"]):
            command = ["git", *words, "--", path.name]
            if subprocess.run(command, cwd=path.parent, capture_output=True).returncode:
                return


if __name__ == "__main__":
    sys.stdout.buffer.write(clean(sys.stdin.buffer.read()))
