"""The built page in Debian's Chromium, driven by Playwright."""

import shutil
import subprocess
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from filelock import FileLock

from depthlib.prediction.zoo import open_network

PATIENCE = 120_000  # milliseconds: other work may share the machine
# A cloud that turns by itself would keep the cores busy that the tests need: here it turns by key.
LOOK = {"viewport": {"width": 1200, "height": 900}, "reduced_motion": "reduce"}
CHROMIUMS = ("chromium", "chromium-browser", "google-chrome")
# Nothing but the page: no look-ups of its own. The cloud is drawn by the CPU, the camera is a toy.
FLAGS = [
    "--no-sandbox", "--no-first-run", "--disable-quic", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist",
    "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream",
]  # fmt: skip


class Opened:
    """A tab with the page, and what went wrong in it."""

    def __init__(self, tab, address: str) -> None:
        self.tab, self.address = tab, address
        self.errors: list[str] = []
        self.requests: list[str] = []
        tab.set_default_timeout(PATIENCE)
        tab.on("pageerror", lambda error: self.errors.append(str(error)))
        tab.on("console", self._listen)
        tab.on("request", lambda request: self.requests.append(request.url))

    def _listen(self, message) -> None:
        if message.type in ("error", "warning"):
            self.errors.append(message.text)

    def count(self) -> int:
        """How often the page has shown depth."""
        return int(self.tab.evaluate("document.body.dataset.ready ?? 0"))

    def wait_for_depth(self, before: int = 0) -> None:
        """Waits until depth is shown once more, and nothing is being computed."""
        self.tab.wait_for_function(
            f"Number(document.body.dataset.ready ?? 0) > {before}"
            " && document.getElementById('stage').ariaBusy !== 'true'"
        )

    def choose(self, *photo) -> None:
        """Chooses a photo by the page's button, and waits for its depth: a path or a payload."""
        before = self.count()
        self.tab.set_input_files("#file", *photo)
        self.wait_for_depth(before)

    def choose_refused(self, name: str, data: bytes) -> str:
        """Chooses a file that is no photo; gives the page's message."""
        file = {"name": name, "mimeType": "image/jpeg", "buffer": data}
        self.tab.set_input_files("#file", file)
        self.tab.wait_for_selector("#message:not([hidden])")
        return self.tab.inner_text("#message span")

    def save(self, format: str, folder: Path) -> Path:
        """Saves depth by the page's button."""
        with self.tab.expect_download() as waiting:
            self.tab.click(f"[data-format={format}]")
        path = folder / waiting.value.suggested_filename
        waiting.value.save_as(path)
        return path

    def place_of(self, column: int, row: int) -> tuple[float, float]:
        """Where a pixel of the photo is in the tab."""
        box = self.tab.locator("#picture").bounding_box()
        width, height = self.tab.evaluate(
            "document.getElementById('marks').getAttribute('viewBox').split(' ').slice(2)"
        )
        return (
            box["x"] + (column + 0.5) / int(width) * box["width"],
            box["y"] + (row + 0.5) / int(height) * box["height"],
        )

    def point_at(self, column: int, row: int) -> str:
        """What the page says of a pixel when the pointer is there."""
        self.tab.mouse.move(*self.place_of(column, row))
        self.tab.evaluate(
            "new Promise((done) => setTimeout(() => requestAnimationFrame(done), 50))"
        )
        return self.tab.inner_text("#tip")


@pytest.fixture(scope="session")
def page_folder(project, tmp_path_factory):
    """The page as `make web` builds it, in a folder of its own: tests may run beside each other."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if not (node and npm):
        pytest.skip("needs Node.js and npm")
    web = project / "web"
    with FileLock(web / "node_modules.lock"):
        if not (web / "node_modules" / "onnxruntime-web").is_dir():
            install = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
            if subprocess.run(install, cwd=web, check=False).returncode:
                pytest.skip("the packages of the page cannot be fetched")
    folder = tmp_path_factory.mktemp("page")
    subprocess.run([node, web / "build.mjs", folder], check=True)
    return folder


@pytest.fixture(scope="session")
def address(page_folder):
    """Where the page is served."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=page_folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()


@pytest.fixture(scope="session")
def chromium(page_folder):
    """The browser."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs Playwright")
    found = next(filter(None, map(shutil.which, CHROMIUMS)), None)
    if not found:
        pytest.skip("needs Chromium")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=found, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium, address):
    """Opens the page, or another one of the site; `script` runs before it."""
    contexts = []

    def open_one(path: str = "", script: str = "", **options) -> Opened:
        contexts.append(chromium.new_context(**{**LOOK, **options}))
        opened = Opened(contexts[-1].new_page(), address)
        if script:
            opened.tab.add_init_script(script)
        opened.tab.goto(address + path)
        return opened

    yield open_one
    for context in contexts:
        context.close()


@pytest.fixture(scope="module")
def shown(chromium, address):
    """The page with depth, opened once for all tests that only look at it or choose photos."""
    context = chromium.new_context(**LOOK)
    opened = Opened(context.new_page(), address)
    opened.tab.goto(address)
    opened.wait_for_depth()
    yield opened
    context.close()


@pytest.fixture(scope="session")
def networks():
    """The networks of the page, in Python."""
    return {name: open_network(name) for name in ("light", "road")}
