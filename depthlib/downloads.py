"""Files from the network: over https alone, of a known digest, within a size and a time."""

import queue
import threading
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path

TIMEOUT = 10  # seconds of silence; a machine that cannot reach the network must not wait for long
_CHUNK = 1 << 16  # bytes
_AHEAD = 16  # chunks that are read before they are written


def fetch(
    url: str,
    target: Path | str,
    digest: str,
    *,
    most_bytes: int,
    seconds: float,
    schemes: Sequence[str] = ("https",),
) -> Path:
    """Downloads `url` to `target`, atomically, unless it is there with its digest; gives `target`.

    digest: "sha256:...", or of another kind that hashlib knows, "md5:...". most_bytes, seconds: at
    most so many come, and it takes no longer, however slowly the bytes drip. schemes: redirections
    keep to them too; a test's own server may have "http".
    Errors: ValueError that names the URL for another scheme, more bytes, or another digest;
    ConnectionError where the network or the server fails, or time is over; OSError for a disk that
    is full. Nothing is kept then.
    """
    import pooch  # here: it takes a fifth of a second, and few runs download

    target = Path(target)
    held = [folder for folder in target.parents if folder.is_dir()][0]

    def download(url: str, output: str, _: object) -> None:
        with Path(output).open("wb") as file, closing(_read(url, schemes, seconds)) as chunks:
            for chunk in chunks:
                if file.tell() + len(chunk) > most_bytes:
                    raise ValueError(
                        f"A download must have at most {most_bytes:,} bytes. Received: more from "
                        f"{url}. Correct the URL."
                    )
                file.write(chunk)

    pooch.get_logger().setLevel("WARNING")
    try:
        pooch.retrieve(url, digest, target.name, target.parent, downloader=download)
    except (OSError, ValueError) as error:
        _remove_empty(target.parent, held)
        if isinstance(error, OSError):
            if error.errno is not None and error.filename is None:  # a full disk has no name
                error.filename = str(target)
            raise
        if "known hash" not in str(error):
            raise
        raise ValueError(
            f"A download must have the digest {digest}. Received: another one from {url}. Correct "
            "it, or download the file by hand."
        ) from error
    return target


def _remove_empty(folder: Path, held: Path) -> None:
    """Removes the folders between `folder` and `held` that nothing was downloaded into."""
    with suppress(OSError):  # which keeps those that hold something
        while folder != held:
            folder.rmdir()
            folder = folder.parent


def _read(url: str, schemes: Sequence[str], seconds: float) -> Generator[bytes, None, None]:
    """The bytes of a URL as they come. Errors: those of `fetch`.

    A thread reads, since no timeout of a socket ends an answer whose bytes drip: looking up the
    name, the handshake and the header would wait for each of them.
    """
    end = time.monotonic() + seconds
    chunks: queue.Queue[bytes | Exception] = queue.Queue(_AHEAD)
    over = threading.Event()

    def put(item: bytes | Exception) -> None:
        while not over.is_set():
            with suppress(queue.Full):
                return chunks.put(item, timeout=1)

    def work() -> None:
        try:
            for chunk in _open(url, schemes):
                if over.is_set():
                    return
                put(chunk)
            put(b"")
        except Exception as error:  # raised again where the bytes are waited for
            put(error)

    threading.Thread(target=work, daemon=True).start()
    try:
        while True:
            try:
                item = chunks.get(timeout=max(end - time.monotonic(), 0))
            except queue.Empty:
                raise ConnectionError(f"{url} did not come within {seconds:g} seconds") from None
            if isinstance(item, ValueError):  # what requests makes of URLs that it does not take
                raise ValueError(
                    f"A download must be a URL that begins with {' or '.join(schemes)}://. "
                    f"Received: {url!r}: {item}. Correct it."
                ) from item
            if isinstance(item, Exception):
                raise ConnectionError(f"{url}: {item}") from item
            if not item:
                return
            yield item
    finally:
        over.set()


def _open(url: str, schemes: Sequence[str]) -> Iterator[bytes]:
    import requests

    with requests.Session() as session:
        session.adapters.clear()
        for scheme in schemes:
            session.mount(f"{scheme}://", requests.adapters.HTTPAdapter())
        plain = {"Accept-Encoding": "identity"}
        with session.get(url, stream=True, timeout=TIMEOUT, headers=plain) as response:
            response.raise_for_status()
            while chunk := response.raw.read1(_CHUNK):  # what is there, not a whole chunk
                yield chunk
