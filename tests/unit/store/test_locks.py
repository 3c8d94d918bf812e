from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from clusterprobe.store.locks import exclusive

WAITING = """
import sys
from pathlib import Path
from clusterprobe.store.locks import exclusive

print("asks", flush=True)
with exclusive(Path(sys.argv[1])):
    print("has it", flush=True)
"""


def test_another_process_waits_until_the_lock_is_free(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WAITING, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        with exclusive(tmp_path):
            assert other.stdout.readline() == "asks\n"
            try:
                other.wait(timeout=0.5)
            except subprocess.TimeoutExpired:
                pass
            else:
                raise AssertionError("it did not wait")
        assert other.stdout.readline() == "has it\n"
    assert list(tmp_path.iterdir()) == []
