"""A Dataverse on loopback, with faults on demand."""

import hashlib
import http.server
import json
import threading
from contextlib import contextmanager
from urllib.parse import parse_qs, urlparse

from helpers.data import download

CONTENTS = {
    "HAM10000_images_part_1.zip": b"first" * 400_000,
    "HAM10000_images_part_2.zip": b"second" * 1000,
    "HAM10000_metadata.tab": b"lesion_id\timage_id\n",
    "HAM10000_segmentations_lesion_tschandl.zip": b"not wanted",
    "ISIC2018_Task3_Test_Images.zip": b"not wanted either",
}
DEPOSITED = b"lesion_id,image_id\n"  # what the metadata were before the Dataverse converted them


class Dataverse(http.server.BaseHTTPRequestHandler):
    """The two addresses that matter, and faults on demand."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        address = urlparse(self.path)
        self.server.asked.append(self.path)
        fault = self.server.faults.pop(0) if self.server.faults and self.server.faulty in self.path else None
        if isinstance(fault, int):
            return self.answer(b"no", fault)
        if address.path == "/api/datasets/:persistentId":
            assert parse_qs(address.query)["persistentId"] == [f"doi:{download.DOI}"]
            return self.answer(
                b"<html>log in</html>" if fault == "login" else json.dumps(self.server.listing).encode()
            )
        number = int(address.path.removeprefix("/api/access/datafile/"))
        original = parse_qs(address.query).get("format") == ["original"]
        content = DEPOSITED if original else list(self.server.contents.values())[number - 100]
        if fault == "garbled":
            content = b"x" * len(content)
        if fault == "endless":
            content = content + b"x" * (download.MARGIN + 2**21)
        asked = self.headers.get("Range")
        if asked and self.server.ranges:
            first = int(asked.removeprefix("bytes=").removesuffix("-"))
            if first >= len(content):
                return self.answer(b"", 416)
            told = {
                "Content-Range": f"bytes {0 if fault == 'other part' else first}-"
                f"{len(content) - 1}/{len(content)}"
            }
            return self.answer(content[first:], 206, fault == "cut", told)
        return self.answer(content, cut=fault == "cut")

    def answer(self, content, status=200, cut=False, told=()):
        self.server.sent.append((self.path, len(content)))
        self.send_response(status)
        for name, value in dict(told).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2] if cut else content)
        if cut:
            self.wfile.flush()
            self.close_connection = True

    def log_message(self, *_):
        pass


def listing(contents=CONTENTS):
    files = []
    for number, (name, content) in enumerate(contents.items(), start=100):
        entry = {
            "id": number,
            "filename": name,
            "filesize": len(content),
            "md5": hashlib.md5(content).hexdigest(),
        }
        if name.endswith(".tab"):
            entry |= {
                "originalFileFormat": "text/csv",
                "originalFileName": "HAM10000_metadata.csv",
                "originalFileSize": len(DEPOSITED),
                "md5": hashlib.md5(DEPOSITED).hexdigest(),
            }
        files.append({"label": name, "dataFile": entry})
    return {"status": "OK", "data": {"latestVersion": {"files": files}}}


class Quiet(http.server.ThreadingHTTPServer):
    def handle_error(self, *_):
        """A client that hangs up is part of these tests."""


@contextmanager
def running():
    """A server whose ``faults`` are served one by one to what asks for an address with ``faulty`` in it."""
    with Quiet(("127.0.0.1", 0), Dataverse) as server:
        server.contents, server.listing, server.faults, server.faulty, server.asked = (
            CONTENTS,
            listing(),
            [],
            "datafile",
            [],
        )
        server.ranges, server.sent = True, []
        server.address = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()
