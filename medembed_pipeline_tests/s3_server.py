"""moto's S3 server on loopback, in a process of its own."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

SECRET = "notasecretatall"
BUCKET = "lake-bucket"


@contextlib.contextmanager
def s3_server() -> Iterator[dict[str, str]]:
    """What s3fs and botocore read from the environment, and is set there meanwhile; the bucket is there.

    Skips the test where moto or s3fs is not installed.
    """
    pytest.importorskip("moto")
    pytest.importorskip("s3fs")
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    try:
        endpoint = _address(server)
        variables = {
            "AWS_ENDPOINT_URL": endpoint,
            "FSSPEC_S3_ENDPOINT_URL": endpoint,
            "AWS_ACCESS_KEY_ID": "someone",
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        with pytest.MonkeyPatch.context() as patch:
            for name, value in variables.items():
                patch.setenv(name, value)
            # Connections are kept by their arguments, whatever the environment says now.
            type(s3_filesystem()).clear_instance_cache()
            s3_filesystem().mkdir(BUCKET)
            yield variables
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(20)


def s3_filesystem() -> Any:
    """A new connection to the server of the environment."""
    import s3fs

    return s3fs.S3FileSystem(endpoint_url=os.environ["AWS_ENDPOINT_URL"], skip_instance_cache=True)


def _address(server: subprocess.Popen[str]) -> str:
    assert server.stderr is not None
    for line in server.stderr:
        if "Running on http://" in line:
            # A full pipe would stop the server.
            threading.Thread(target=lambda: list(server.stderr or []), daemon=True).start()
            return line.split("Running on ")[1].split()[0]
    raise AssertionError("the S3 server did not start")
