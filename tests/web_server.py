"""A server of the machine's own, which answers as a hostile or broken one may."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

WHOLE = bytes(range(256)) * 1000


class _Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        getattr(self, f"send_{self.path.strip('/')}", self.send_nothing)()

    def log_message(self, *_) -> None:
        pass

    def send_nothing(self) -> None:
        self.send_error(404)

    def send_whole(self) -> None:
        self._begin(len(WHOLE))
        self.wfile.write(WHOLE)

    def send_cut(self) -> None:
        self._begin(len(WHOLE))
        self.wfile.write(WHOLE[:1000])
        self.close_connection = True

    def send_drip(self) -> None:
        self._begin(len(WHOLE))
        self._drip(WHOLE)

    def send_header(self, *words) -> None:
        if words:
            super().send_header(*words)
        else:  # the path /header: a header whose bytes drip
            self._drip(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100)

    def send_endless(self) -> None:
        self.send_response(200)
        self.end_headers()
        try:
            while True:
                self.wfile.write(bytes(1 << 16))
        except OSError:  # the other side has enough
            self.close_connection = True

    def send_file(self) -> None:
        self._redirect("file:///etc/hostname")

    def send_away(self) -> None:
        self._redirect(f"http://127.0.0.1:{self.server.server_port}/whole")

    def send_round(self) -> None:
        self._redirect("/round")

    def _begin(self, length: int) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def _redirect(self, place: str) -> None:
        self.send_response(302)
        self.send_header("Location", place)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _drip(self, data: bytes) -> None:
        try:
            for position in range(len(data)):
                self.wfile.write(data[position : position + 1])
                time.sleep(0.1)
        except OSError:
            self.close_connection = True


@contextmanager
def serve() -> Iterator[str]:
    """The URL of a server that is there within the block."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Answers)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
