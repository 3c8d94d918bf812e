"""Downloads against a server of our own: whole, cut off, resumed, redirected, hanging, lying."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from clusterprobe.config.errors import UserError
from clusterprobe.encoders.fetch import fetch, fetch_pinned, known_hash, record_hash

CONTENT = bytes(range(256)) * 5000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Server(ThreadingHTTPServer):
    """Remembers the Range header of every request; `content` and `tag` can be changed under way."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content, self.tag = CONTENT, '"one"'
        self.ranges: list[str | None] = []
        self.released = threading.Event()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Server
    redirects: ClassVar[dict[str, str]] = {"/to-file": "file:///etc/hostname", "/to-ftp": "ftp://127.0.0.1/x"}

    def log_message(self, *_: Any) -> None: ...

    def do_GET(self) -> None:
        self.server.ranges.append(self.headers.get("Range"))
        if self.path in self.redirects:
            self._head(302, 0, Location=self.redirects[self.path])
        elif self.path == "/to-good":
            self._head(302, 0, Location="/good")
        elif self.path == "/to-elsewhere":
            self._head(302, 0, Location="http://192.0.2.1/x")
        elif self.path == "/missing":
            self.send_error(404)
        elif self.path == "/page":
            self._whole(b"<!DOCTYPE html><html>Too many downloads</html>")
        elif self.path == "/empty":
            self._whole(b"")
        elif self.path == "/hang":
            self.server.released.wait(10)
        elif self.path == "/good":
            self._whole(self.server.content)
        else:
            self._resumable(cut_off=self.path == "/cut-off" and self.headers.get("Range") is None)

    def _resumable(self, cut_off: bool) -> None:
        content = self.server.content
        asked, condition = self.headers.get("Range"), self.headers.get("If-Range")
        start = 0
        if asked and self.path != "/no-resume" and condition in (None, self.server.tag):
            start = int(asked.removeprefix("bytes=").rstrip("-"))
        if start >= len(content):
            self._head(416, 0, Content_Range=f"bytes */{len(content)}")
            return
        place = {"Content_Range": f"bytes {start}-{len(content) - 1}/{len(content)}"} if start else {}
        tag = {} if self.path == "/no-tag" else {"ETag": self.server.tag}
        self._head(206 if start else 200, len(content) - start, **place, **tag)
        self.wfile.write(content[start : len(content) // 2] if cut_off else content[start:])

    def _whole(self, content: bytes) -> None:
        self._head(200, len(content))
        self.wfile.write(content)

    def _head(self, status: int, length: int, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(length))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.released.set()
        running.shutdown()
        thread.join()


def left_behind(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("path", ["/good", "/resumable", "/to-good"])
@pytest.mark.parametrize("sha256", [SHA256, None])
def test_download_is_whole_and_its_hash_is_returned(
    server: Server, tmp_path: Path, path: str, sha256: str | None
) -> None:
    assert fetch(server.address + path, sha256, tmp_path / "new" / "a.bin") == SHA256
    assert (tmp_path / "new" / "a.bin").read_bytes() == CONTENT
    assert left_behind(tmp_path / "new") == ["a.bin"]


@pytest.mark.parametrize("form", ["path", "url", "escaped"])
def test_local_files_are_copied(tmp_path: Path, form: str) -> None:
    source = tmp_path / "with space.bin"
    source.write_bytes(CONTENT)
    url = {
        "path": str(source),
        "url": f"file://{source}",
        "escaped": source.as_uri(),
    }[form]
    assert fetch(url, SHA256, tmp_path / "a.bin") == SHA256
    assert left_behind(tmp_path) == ["a.bin", "with space.bin"]


def test_wrong_hash_is_refused_and_the_earlier_file_stays(server: Server, tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(b"earlier")
    with pytest.raises(UserError, match=f"has SHA-256 {SHA256}, expected {'0' * 64}"):
        fetch(server.address + "/good", "0" * 64, tmp_path / "a.bin")
    assert left_behind(tmp_path) == ["a.bin"]
    assert (tmp_path / "a.bin").read_bytes() == b"earlier"


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/page", "is a web page, not a file"),
        ("/empty", "is empty"),
        ("/missing", "answers 404"),
        ("/to-file", "file:///etc/hostname' is not allowed"),
        ("/to-ftp", "only https://"),
        ("/to-elsewhere", "refused to fetch http://192.0.2.1/x"),
    ],
)
def test_what_is_no_download_leaves_no_file(server: Server, tmp_path: Path, path: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        fetch(server.address + path, None, tmp_path / "a.bin")
    assert not (tmp_path / "a.bin").exists()
    assert not (tmp_path / "a.bin.part").exists()


def test_redirect_from_https_to_http_is_refused() -> None:
    from clusterprobe.encoders.fetch import _check_redirect

    _check_redirect("https://a/x", "https://b/x")
    with pytest.raises(UserError, match="leaves https"):
        _check_redirect("https://a/x", "http://localhost/x")


@pytest.mark.parametrize(
    "url", ["http://example.org/a", "ftp://example.org/a", "s3://bucket/a", "file://host/a"]
)
def test_other_schemes_are_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(UserError, match="only https://"):
        fetch(url, None, tmp_path / "a.bin")


def test_missing_local_file_and_malformed_hash_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.bin is not a file"):
        fetch(str(tmp_path / "none.bin"), None, tmp_path / "a.bin")
    with pytest.raises(UserError, match="64 hexadecimal digits"):
        fetch(str(tmp_path / "none.bin"), "abc", tmp_path / "a.bin")


def test_local_web_page_is_refused(tmp_path: Path) -> None:
    (tmp_path / "page").write_bytes(b"<html>")
    with pytest.raises(UserError, match="is a web page"):
        fetch(str(tmp_path / "page"), None, tmp_path / "a.bin")


def test_cut_off_download_is_resumed_where_it_ended(server: Server, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="was cut off after 640000 of 1280000 bytes: run again"):
        fetch(server.address + "/cut-off", SHA256, tmp_path / "a.bin")
    assert not (tmp_path / "a.bin").exists()
    fetch(server.address + "/cut-off", SHA256, tmp_path / "a.bin")
    assert server.ranges == [None, "bytes=640000-"]
    assert (tmp_path / "a.bin").read_bytes() == CONTENT
    assert left_behind(tmp_path) == ["a.bin"]


def start_of(server: Server, folder: Path, path: str, size: int) -> Path:
    """Leave what an interrupted download of `path` leaves."""
    part = folder / "a.bin.part"
    with pytest.raises(UserError, match="cut off"):
        fetch(server.address + "/cut-off", None, folder / "a.bin")
    part.write_bytes(CONTENT[:size])
    record = folder / "a.bin.part.json"
    record.write_text(record.read_text().replace("/cut-off", path))
    server.ranges.clear()
    return folder / "a.bin"


def test_file_that_changed_on_the_server_is_fetched_anew(server: Server, tmp_path: Path) -> None:
    destination = start_of(server, tmp_path, "/resumable", 1000)
    server.content, server.tag = CONTENT[::-1], '"two"'
    fetch(server.address + "/resumable", None, destination)
    assert server.ranges == ["bytes=1000-"]
    assert destination.read_bytes() == CONTENT[::-1]


def test_server_that_cannot_resume_sends_all_again(server: Server, tmp_path: Path) -> None:
    destination = start_of(server, tmp_path, "/no-resume", 1000)
    assert fetch(server.address + "/no-resume", SHA256, destination) == SHA256


def test_part_of_another_address_is_not_resumed(server: Server, tmp_path: Path) -> None:
    destination = start_of(server, tmp_path, "/elsewhere", 1000)
    assert fetch(server.address + "/resumable", SHA256, destination) == SHA256
    assert server.ranges == [None]


def test_without_validator_only_a_known_hash_allows_to_resume(server: Server, tmp_path: Path) -> None:
    for sha256, asked in ((None, None), (SHA256, "bytes=1000-")):
        destination = start_of(server, tmp_path, "/no-tag", 1000)
        record = tmp_path / "a.bin.part.json"
        record.write_text(record.read_text().replace('"\\"one\\""', "null"))
        assert fetch(server.address + "/no-tag", sha256, destination) == SHA256
        assert server.ranges == [asked]


def test_part_that_was_complete_is_accepted(server: Server, tmp_path: Path) -> None:
    destination = start_of(server, tmp_path, "/resumable", len(CONTENT))
    assert fetch(server.address + "/resumable", SHA256, destination) == SHA256


def test_part_longer_than_the_file_starts_afresh(server: Server, tmp_path: Path) -> None:
    destination = start_of(server, tmp_path, "/resumable", 1000)
    (tmp_path / "a.bin.part").write_bytes(CONTENT + b"more")
    with pytest.raises(UserError, match="cannot resume"):
        fetch(server.address + "/resumable", SHA256, destination)
    assert fetch(server.address + "/resumable", SHA256, destination) == SHA256


def test_damaged_part_is_found_out_and_removed(server: Server, tmp_path: Path) -> None:
    destination = start_of(server, tmp_path, "/resumable", 1000)
    (tmp_path / "a.bin.part").write_bytes(b"x" * 1000)
    with pytest.raises(UserError, match="expected"):
        fetch(server.address + "/resumable", SHA256, destination)
    assert left_behind(tmp_path) == []


def test_server_that_never_answers_times_out(server: Server, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no answer within 0\.2 s"):
        fetch(server.address + "/hang", None, tmp_path / "a.bin", timeout=0.2)


def test_refused_connection_is_named(server: Server, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="the connection failed"):
        fetch("http://127.0.0.1:1/x", None, tmp_path / "a.bin")


def test_unwritable_destination_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(CONTENT)
    with pytest.raises(UserError, match="cannot write"):
        fetch(str(tmp_path / "file"), None, tmp_path / "file" / "a.bin")


def test_lock_keeps_the_first_hash(tmp_path: Path) -> None:
    lock = tmp_path / "checkpoints" / "hashes.lock"
    assert known_hash(lock, "moco") is None
    record_hash(lock, "moco", SHA256)
    record_hash(lock, "dino", "1" * 64)
    record_hash(lock, "moco", SHA256)
    assert (known_hash(lock, "moco"), known_hash(lock, "dino")) == (SHA256, "1" * 64)
    with pytest.raises(UserError, match="moco has changed"):
        record_hash(lock, "moco", "2" * 64)
    assert known_hash(lock, "moco") == SHA256
    assert left_behind(lock.parent) == ["hashes.lock"]


def test_lock_loses_no_entry_to_parallel_writers(tmp_path: Path) -> None:
    lock = tmp_path / "hashes.lock"
    threads = [threading.Thread(target=record_hash, args=(lock, f"e{i}", "0" * 64)) for i in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(known_hash(lock, f"e{i}") for i in range(16))


def test_downloads_need_no_torch() -> None:
    code = "import sys, clusterprobe.encoders.fetch; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_first_download_records_its_hash_and_later_ones_must_match(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    origin, lock = tmp_path / "weights", tmp_path / "hashes.lock"
    origin.write_bytes(CONTENT)
    assert fetch_pinned(str(origin), None, tmp_path / "a.bin", lock=lock) == SHA256
    assert SHA256 in capsys.readouterr().err
    assert known_hash(lock, str(origin)) == SHA256
    origin.write_bytes(CONTENT + b"changed")
    with pytest.raises(UserError, match=SHA256):
        fetch_pinned(str(origin), None, tmp_path / "b.bin", lock=lock)
    assert not (tmp_path / "b.bin").exists()


def test_a_required_pin_refuses_a_file_without_one(tmp_path: Path) -> None:
    origin = tmp_path / "weights"
    origin.write_bytes(CONTENT)
    with pytest.raises(UserError, match="pin: required"):
        fetch_pinned(str(origin), None, tmp_path / "a.bin", lock=tmp_path / "hashes.lock", required=True)
    assert not (tmp_path / "a.bin").exists()
