"""The site's pages hang together, as far as that can be seen without Sphinx."""

import re
from pathlib import Path

import pytest

from tests.test_repository import PROJECT

SITE = re.compile(r"<!-- site\n(.*?)-->", re.DOTALL)
TOCTREE = re.compile(r"```\{toctree\}\n(.*?)```", re.DOTALL)
PAGES = [path.relative_to(PROJECT).as_posix() for path in sorted(PROJECT.glob("docs/**/*.md"))]


def toctree_of(page: str, text: str) -> set[str]:
    """The pages, without their endings, that the toctrees in a page's comments lead to."""
    folder = (PROJECT / page).parent
    lines = [
        line
        for part in SITE.findall(text)
        for tree in TOCTREE.findall(part)
        for line in tree.split()
    ]
    found: set[Path] = set()
    for entry in (line for line in lines if not line.startswith(":")):
        place, _, name = entry.rpartition("/")
        paths = (folder / place).resolve().glob(f"{name}.*")
        found |= {path.with_suffix("") for path in paths if path.suffix in (".md", ".ipynb")}
    return {path.relative_to(PROJECT).as_posix() for path in found}


def reached() -> set[str]:
    """Every page that the front page leads to by toctrees."""
    known, ahead = set(), ["docs/index"]
    while ahead:
        page = ahead.pop()
        known.add(page)
        file = PROJECT / f"{page}.md"
        if file.exists():
            ahead += toctree_of(f"{page}.md", file.read_text(encoding="utf-8")) - known
    return known


def test_every_page_card_and_notebook_is_in_a_table_of_contents():
    patterns = ("docs/**/*.md", "models/*.md", "*.ipynb")
    pages = {path for pattern in patterns for path in PROJECT.glob(pattern)}
    assert {path.relative_to(PROJECT).with_suffix("").as_posix() for path in pages} <= reached()


@pytest.mark.parametrize("page", PAGES)
def test_what_only_the_site_needs_is_a_comment_and_a_page_has_one_heading_first(page):
    text = (PROJECT / page).read_text(encoding="utf-8")
    plain = SITE.sub("", text)
    assert "```{" not in plain, "GitHub would show it as code"
    assert (
        plain.startswith("# ")
        and len(re.findall(r"^# ", re.sub(r"```.*?```", "", plain, flags=re.DOTALL), re.M)) == 1
    )
    assert plain.count("<details>") == plain.count("</details>") == plain.count("</summary>\n\n")


@pytest.mark.parametrize("page", [page for page in PAGES if page.startswith("docs/results/")])
def test_a_tables_rows_have_as_many_cells_as_its_head_and_no_more_than_seven(page):
    lines = (PROJECT / page).read_text(encoding="utf-8").splitlines()
    for line, after in zip(lines, lines[1:], strict=False):
        if line.startswith("|"):
            cells = line.replace(r"\|", "").count("|") - 1
            assert cells <= 7, line
            if after.startswith("|"):
                assert after.replace(r"\|", "").count("|") - 1 == cells, after


def test_a_study_has_its_question_and_its_answer_first():
    for path in sorted(PROJECT.glob("docs/results/*.md")):
        if path.stem != "index":
            question, _, answer, *_ = path.read_text(encoding="utf-8").split("\n")
            assert question.endswith("?") and answer.startswith("**"), path.name
