"""What the page's modules are tested against is what Python answers today."""

import json
import shutil
import subprocess

import numpy as np
import pytest

from tools.web_golden import ANSWERS, GOLDEN, unpack

CASES = [
    pytest.param(kind, case["given"], case["expected"], id=f"{kind}-{number}")
    for kind, cases in json.loads(GOLDEN.read_text(encoding="utf-8")).items()
    for number, case in enumerate(cases)
]


def flatten(answer):
    """An answer's numbers and words, with its arrays unpacked."""
    if isinstance(answer, dict) and "dtype" in answer:
        return unpack(answer).astype(float)
    return answer


@pytest.mark.parametrize(("kind", "given", "expected"), CASES)
def test_python_answers_as_the_golden_file_says(kind, given, expected):
    received = json.loads(json.dumps(ANSWERS[kind](**given)))
    assert received.keys() == expected.keys()
    for key, value in expected.items():
        if key == "file":  # its bytes are those of a version of zlib
            continue
        new, old = flatten(received[key]), flatten(value)
        if isinstance(old, np.ndarray):
            assert new.shape == old.shape
            assert np.allclose(new, old, rtol=1e-4, atol=1e-6), key
        else:
            assert new == (pytest.approx(old) if isinstance(old, float) else old), key


def test_every_kind_of_question_has_cases():
    kinds = [case.values[0] for case in CASES]
    assert set(kinds) == set(ANSWERS) and len(kinds) > 90


def test_the_modules_of_the_page_answer_as_python_does(project):
    node = shutil.which("node")
    if not node:
        pytest.skip("needs Node.js")
    command = [node, "--test", "web/test/"]
    answer = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout[-4000:] + answer.stderr
    assert "# fail 0" in answer.stdout
