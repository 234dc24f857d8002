import hashlib
import time

import pytest

from depthlib.downloads import fetch
from tests.web_server import WHOLE, serve

DIGEST = f"sha256:{hashlib.sha256(WHOLE).hexdigest()}"
LIMITS = {"most_bytes": 1_000_000, "seconds": 20}


@pytest.fixture(scope="module")
def server():
    with serve() as url:
        yield url


def get(url, folder, **changed):
    """Fetches with http:// allowed, which the test's own server speaks."""
    options = {"digest": DIGEST, "schemes": ("http", "https"), **LIMITS, **changed}
    return fetch(url, folder / "new" / "file.bin", **options)


def assert_empty(folder):
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("kind", ["sha256", "md5"])
def test_a_file_comes_whole_and_is_fetched_once(server, tmp_path, kind):
    digest = f"{kind}:{hashlib.new(kind, WHOLE).hexdigest()}"
    path = get(f"{server}/whole", tmp_path, digest=digest)
    assert path == tmp_path / "new" / "file.bin" and path.read_bytes() == WHOLE
    assert [file.name for file in path.parent.iterdir()] == ["file.bin"]
    assert get(f"{server}/nothing", tmp_path, digest=digest) == path  # it asks no server


def test_what_is_there_with_another_digest_is_fetched_anew_or_kept(server, tmp_path):
    path = tmp_path / "new" / "file.bin"
    path.parent.mkdir()
    path.write_bytes(b"of a user")
    with pytest.raises(ConnectionError, match="404"):
        get(f"{server}/nothing", tmp_path)
    assert path.read_bytes() == b"of a user"
    assert get(f"{server}/whole", tmp_path).read_bytes() == WHOLE


@pytest.mark.parametrize("path", ["drip", "header"])
def test_bytes_that_drip_end_at_the_deadline(server, tmp_path, path):
    start = time.monotonic()
    with pytest.raises(ConnectionError, match=f"/{path} did not come within 0.5 seconds"):
        get(f"{server}/{path}", tmp_path, seconds=0.5)
    assert time.monotonic() - start < 5
    assert_empty(tmp_path)


def test_more_bytes_than_may_come_are_refused_before_they_fill_anything(server, tmp_path):
    with pytest.raises(ValueError, match="at most 1,000,000 bytes. Received: more from .*/endless"):
        get(f"{server}/endless", tmp_path)
    assert_empty(tmp_path)


@pytest.mark.parametrize("path", ["cut", "nothing", "round"])
def test_what_fails_on_the_way_names_the_url_and_leaves_nothing(server, tmp_path, path):
    with pytest.raises(ConnectionError, match=f"http://.*/{path}"):
        get(f"{server}/{path}", tmp_path)
    assert_empty(tmp_path)


def test_another_digest_is_refused_and_nothing_kept(server, tmp_path):
    with pytest.raises(ValueError, match="digest sha256:00.* Received: another one from .*/whole"):
        get(f"{server}/whole", tmp_path, digest="sha256:" + "0" * 64)
    assert_empty(tmp_path)


@pytest.mark.parametrize(
    "url",
    [
        "", "no URL", "file:///etc/hostname", "ftp://127.0.0.1/a", "data:,a", "/etc/hostname",
        "https://", "https://[", "https://exa mple.org\x00/", "gopher://127.0.0.1/",
    ],
)  # fmt: skip
def test_another_scheme_or_no_url_at_all_is_refused(tmp_path, url):
    with pytest.raises(ValueError, match="must be a URL that begins with https://. Received: "):
        get(url, tmp_path, schemes=("https",))
    assert_empty(tmp_path)


def test_plain_http_is_refused_unless_it_is_asked_for(server, tmp_path):
    with pytest.raises(ValueError, match="begins with https://. Received: 'http://127"):
        fetch(f"{server}/whole", tmp_path / "file.bin", DIGEST, **LIMITS)
    assert_empty(tmp_path)


def test_a_redirection_keeps_to_the_schemes(server, tmp_path):
    assert get(f"{server}/away", tmp_path).read_bytes() == WHOLE
    with pytest.raises(ValueError, match="Received: '.*/file': .*file:///etc/hostname"):
        get(f"{server}/file", tmp_path / "other")
    assert [path.name for path in tmp_path.iterdir()] == ["new"]
