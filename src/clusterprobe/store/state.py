"""Resume state: one file beside the declared outputs, valid for one fingerprint only."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from clusterprobe.store.atomic import write_bytes
from clusterprobe.store.hashing import canonical_json, sha256_bytes

_MAGIC = b"clusterprobe-state\n"


def fingerprint(value: object) -> str:
    """Return the hash of everything (configuration, code digest, input hashes) that a state depends on."""
    return sha256_bytes(canonical_json(value).encode("utf-8"))


def save_state(path: Path, payload: bytes, fingerprint: str) -> None:
    """Write `payload` atomically under a header with its hash and the fingerprint it belongs to."""
    header = canonical_json(
        {"fingerprint": fingerprint, "sha256": sha256_bytes(payload), "size": len(payload)}
    )
    write_bytes(path, _MAGIC + header.encode("ascii") + b"\n" + payload)


def load_state(path: Path, fingerprint: str) -> bytes | None:
    """Return the payload, or None when there is no state, another fingerprint's, or a damaged one.

    A state that cannot be used is removed and named on stderr: it is never resumed.
    """
    path = Path(path)
    if not path.exists():
        return None
    data = path.read_bytes()
    problem = _problem(data, fingerprint)
    if problem is None:
        return _split(data)[1]
    print(f"{path}: {problem}; starting afresh", file=sys.stderr)
    path.unlink()
    return None


def _split(data: bytes) -> tuple[bytes, bytes]:
    header, _, payload = data.removeprefix(_MAGIC).partition(b"\n")
    return header, payload


def _problem(data: bytes, fingerprint: str) -> str | None:
    if not data.startswith(_MAGIC):
        return "not a resume state"
    header, payload = _split(data)
    try:
        fields = json.loads(header)
        expected, owner = fields["sha256"], fields["fingerprint"]
    except (ValueError, KeyError, TypeError):
        return "the state's header is damaged"
    if sha256_bytes(payload) != expected:
        return "the state is truncated or damaged"
    if owner != fingerprint:
        return "the state belongs to other code, configuration or input"
    return None
