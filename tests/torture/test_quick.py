"""The quickest cases of `make torture`, in CI."""

import os
import signal

import pytest

from tests.torture import cases
from tests.torture.cases import begin, whole  # noqa: F401  the fixtures

# Each starts a command four times, which imports what it needs for seconds.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name != "posix", reason="uses what only POSIX systems have"),
]


def test_a_cache_that_is_killed_is_finished_to_the_same_bytes(begin):  # noqa: F811
    cases.test_a_job_that_is_stopped_goes_on_to_the_same_bytes(begin, "cache", signal.SIGKILL)


def test_a_dataset_that_is_made_twice_at_once_is_the_same(begin):  # noqa: F811
    cases.test_two_at_once_end_in_the_same_bytes_or_one_says_why_not(begin, "data")


def test_a_folder_that_may_not_be_written_is_said_and_stays(begin):  # noqa: F811
    if not cases.AS_ROOT:
        pytest.skip("needs root to become nobody")
    cases.test_what_may_not_be_written_is_said_and_stays(begin, "stereo")
