"""Downloads: streamed, resumed where they broke off, verified by hash, in place only when whole."""

from __future__ import annotations

import http.client
import os
import re
import shutil
import ssl
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from urllib.parse import unquote, urlsplit

from clusterprobe.config.errors import UserError
from clusterprobe.store.atomic import read_json, write_json
from clusterprobe.store.hashing import sha256_file
from clusterprobe.store.locks import exclusive
from clusterprobe.store.progress import Progress

_BLOCK = 1 << 20
_LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1")
_WEB_PAGE = re.compile(rb"\s*<(!doctype\s+html|html|head|script)", re.IGNORECASE)


def fetch(url: str, sha256: str | None, destination: Path, *, timeout: float = 30.0) -> str:
    """Put the file at `url` (https://, file:// or a path) at `destination` and return its SHA-256.

    The bytes go to `destination`.part, which a later call resumes if the server can. `timeout` is in seconds
    and counts silence, not duration. Raises UserError for an address that is refused or does not answer, a
    web page in place of a file, a download cut short, and a hash other than `sha256`.
    """
    if sha256 is not None and not re.fullmatch(r"[0-9a-f]{64}", sha256):
        raise UserError(f"sha256 of {url} must be 64 hexadecimal digits, not {sha256!r}")
    destination = Path(destination)
    part = destination.with_name(destination.name + ".part")
    try:
        destination.parent.mkdir(parents=True, exist_ok=True)
        local = _local_path(url)
        if local is not None:
            _copy(local, part)
        else:
            _download(url, part, timeout, may_resume=sha256 is not None)
        seen = _verify(url, part, sha256)
        part.replace(destination)
    except OSError as error:
        raise UserError(f"cannot write {destination}: {error.strerror or error}") from error
    _Resume.path(part).unlink(missing_ok=True)
    return seen


def fetch_pinned(
    url: str,
    sha256: str | None,
    destination: Path,
    *,
    lock: Path,
    required: bool = False,
    name: str | None = None,
    prefix: str | None = None,
) -> str:
    """Fetch a file whose hash is pinned by the caller, or by the lock file since its first download.

    The first download of a file without a hash records it in `lock` under `name` (the URL) and says so on
    stderr; later ones must match. `prefix` are the first digits of the hash if they are known. Raises
    UserError as `fetch` does, and with `required` for a file that the caller did not pin.
    """
    if sha256 is None and required:
        raise UserError(f"{url} has no sha256 but `pin: required` asks for one: add it to the encoder")
    name = name or url
    pinned = sha256 or known_hash(lock, name)
    seen = fetch(url, pinned, destination)
    if prefix and not seen.startswith(prefix):
        Path(destination).unlink()
        raise UserError(f"{url} has SHA-256 {seen}, but its name says {prefix}...: the download was removed")
    if pinned is None:
        record_hash(lock, name, seen)
        print(f"{url}: first download, its SHA-256 {seen} is now recorded in {lock}", file=sys.stderr)
    return seen


def known_hash(lock: Path, name: str) -> str | None:
    """Return the hash that the lock file holds for `name`, or None."""
    return _read_lock(lock).get(name)


def record_hash(lock: Path, name: str, sha256: str) -> None:
    """Add the hash of `name` to the lock file; raises UserError if it holds another one already."""
    lock = Path(lock)
    lock.parent.mkdir(parents=True, exist_ok=True)
    with exclusive(lock.parent):
        hashes = _read_lock(lock)
        if hashes.get(name, sha256) != sha256:
            raise UserError(
                f"{name} has changed: its SHA-256 is {sha256}, {lock} says {hashes[name]}. "
                "If the publisher replaced the file on purpose, delete this entry and run again"
            )
        if name not in hashes:
            write_json(lock, {**hashes, name: sha256})


def _read_lock(lock: Path) -> dict[str, str]:
    return dict(read_json(lock)) if Path(lock).exists() else {}


def _local_path(url: str) -> Path | None:
    """Return the path that `url` names, or None if it must be downloaded; raises UserError for the rest."""
    parts = urlsplit(url)
    if "://" not in url:
        path = Path(url).expanduser()
    elif parts.scheme == "file" and parts.netloc in ("", "localhost"):
        path = Path(unquote(parts.path))
    else:
        _check_address(url)
        return None
    if not path.is_file():
        raise UserError(f"{path} is not a file: check the path (of {url!r})")
    return path


def _check_address(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOCAL_HOSTS):
        raise UserError(f"refused to fetch {url}: only https://, file:// and paths are allowed")


class _CheckedRedirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects to addresses that could have been asked for over the network in the first place."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        _check_redirect(req.full_url, newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _check_redirect(origin: str, target: str) -> None:
    if urlsplit(origin).scheme == "https" and urlsplit(target).scheme != "https":
        raise UserError(f"refused the redirect from {origin} to {target}: it leaves https")
    _check_address(target)


@dataclass(frozen=True)
class _Resume:
    """What a .part file is part of: its address and the validator that the server gave it."""

    url: str
    validator: str | None

    @staticmethod
    def path(part: Path) -> Path:
        return part.with_name(part.name + ".json")

    @classmethod
    def read(cls, part: Path) -> _Resume | None:
        path = cls.path(part)
        if not (part.exists() and path.exists()):
            return None
        try:
            return cls(**read_json(path))
        except (UserError, TypeError):
            return None

    @classmethod
    def write(cls, part: Path, url: str, headers: Mapping[str, str]) -> None:
        tag = headers.get("ETag", "")
        validator = tag if tag and not tag.startswith("W/") else headers.get("Last-Modified")
        write_json(cls.path(part), {"url": url, "validator": validator})


def _download(url: str, part: Path, timeout: float, may_resume: bool) -> None:
    """Write the content of `url` to `part`, after what `part` holds already if that can be trusted.

    Without a validator from the server only a hash known in advance (`may_resume`) can vouch for the seam.
    """
    earlier = _Resume.read(part)
    headers = {"User-Agent": "clusterprobe", "Accept-Encoding": "identity"}
    offset = 0
    if earlier and earlier.url == url and (earlier.validator or may_resume):
        offset = part.stat().st_size
    if offset:
        headers["Range"] = f"bytes={offset}-"
        if earlier and earlier.validator:
            headers["If-Range"] = earlier.validator
    try:
        with _open(url, headers, timeout) as response:
            resumed = response.status == 206 and _range_start(response) == offset
            if response.status == 206 and not resumed:
                raise UserError(f"{url}: the server sent another part than was asked for: delete {part}")
            if not resumed:
                part.unlink(missing_ok=True)
                _Resume.write(part, url, response.headers)
            _receive(url, response, part, append=resumed)
    except urllib.error.HTTPError as error:
        if error.code == 416 and error.headers.get("Content-Range") == f"bytes */{offset}":
            return  # all of it was there already
        if error.code == 416:
            part.unlink(missing_ok=True)
            raise UserError(f"{url}: the server cannot resume the file: run again to start afresh") from error
        raise UserError(
            f"{url}: the server answers {error.code} {error.reason}: check the address, or try later"
        ) from error
    except TimeoutError as error:
        raise UserError(f"{url}: no answer within {timeout:g} s: run again to resume") from error
    except (urllib.error.URLError, http.client.HTTPException, ConnectionError, ssl.SSLError) as error:
        if isinstance(getattr(error, "reason", None), TimeoutError):
            raise UserError(f"{url}: no answer within {timeout:g} s: run again to resume") from error
        raise UserError(f"{url}: the connection failed ({error}): run again to resume") from error


def _open(url: str, headers: Mapping[str, str], timeout: float) -> Any:
    handlers: list[Any] = [_CheckedRedirects()]
    if urlsplit(url).hostname in _LOCAL_HOSTS:
        handlers.append(urllib.request.ProxyHandler({}))
    opener = urllib.request.build_opener(*handlers)
    return opener.open(urllib.request.Request(url, headers=dict(headers)), timeout=timeout)


def _range_start(response: Any) -> int | None:
    match = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    return int(match.group(1)) if match else None


def _receive(url: str, response: Any, part: Path, append: bool) -> None:
    """Stream the body of `response` to `part`; raises UserError for a web page or a body cut short."""
    length = response.headers.get("Content-Length")
    expected = int(length) if length else None
    received = 0
    with (
        part.open("ab" if append else "wb") as handle,
        Progress(f"download of {url}", -(-(expected or 0) // _BLOCK), "MiB") as progress,
    ):
        while block := response.read(_BLOCK):
            if received == 0 and not append and _WEB_PAGE.match(block):
                part.unlink()
                raise UserError(
                    f"{url} is a web page, not a file (a login, a quota or a licence to accept?): "
                    "download the file in a browser and give its path"
                )
            handle.write(block)
            received += len(block)
            if expected:
                progress.update(1)
        os.fsync(handle.fileno())
    if expected is not None and received < expected:
        raise UserError(f"{url} was cut off after {received} of {expected} bytes: run again to resume")


def _copy(source: Path, part: Path) -> None:
    _Resume.path(part).unlink(missing_ok=True)
    with source.open("rb") as reader, part.open("wb") as writer:
        if _WEB_PAGE.match(reader.read(512)):
            part.unlink()
            raise UserError(f"{source} is a web page, not a checkpoint: download the file itself")
        reader.seek(0)
        shutil.copyfileobj(reader, writer, _BLOCK)
        os.fsync(writer.fileno())


def _verify(url: str, part: Path, sha256: str | None) -> str:
    seen = sha256_file(part)
    empty = part.stat().st_size == 0
    if empty or (sha256 is not None and seen != sha256):
        part.unlink()
        _Resume.path(part).unlink(missing_ok=True)
        problem = "is empty" if empty else f"has SHA-256 {seen}, expected {sha256}"
        raise UserError(f"{url} {problem}: the download was removed; check the address and the hash")
    return seen
