"""`medembed serve`: holds the socket open, and keeps a worker on it.

A worker that dies is started again. The socket stays open meanwhile, so that who connects in between waits for the next
worker, and who was being answered has to ask again.
"""

from __future__ import annotations

import argparse
import contextlib
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

from medembed_pipeline.serving.arguments import with_options
from medembed_pipeline.serving.errors import ServingError
from medembed_pipeline.serving.keys import SCOPES, hash_of, new_key, read_keyring, refuse_open_service
from medembed_pipeline.serving.output import say
from medembed_pipeline.settings import load_settings

BACKLOG = 1024
QUICK_SECONDS = 5.0
"""A worker that lived no longer than this died of something that the next one will die of too."""
QUICK_DEATHS = 5
NEVER = 2
"""Exit status of a worker that can never start."""


def serve(options: argparse.Namespace) -> int:
    """Serve until stopped; returns the exit status.

    Raises
    ------
    ServingError
        the address cannot be had, or other machines could ask without a key.
    """
    settings = with_options(load_settings().serving, options.host, options.port)
    refuse_open_service(settings.host, read_keyring(options.keys))
    with listening_socket(settings.host, settings.port) as listening:
        # The port that was had, where 0 asked for any.
        host, port = settings.host, int(listening.getsockname()[1])
        shown = f"[{host}]" if ":" in host else host
        say(f"serving on http://{shown}:{port} (stop with Ctrl+C); loading the released checkpoint")
        command = [sys.executable, "-m", "medembed_pipeline.serving.worker", "--host", host]
        for name in ("keys", "audit_log"):
            value: Path | None = getattr(options, name)
            if value is not None:
                command += [f"--{name.replace('_', '-')}", str(value)]
        return supervise([*command, "--socket", str(listening.fileno())], listening.fileno())


def listening_socket(host: str, port: int) -> socket.socket:
    """A socket that listens.

    Raises
    ------
    ServingError
        the address is not one of this machine, or taken.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host.strip("[]"), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        opened = socket.socket(family, kind, protocol)
        try:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            opened.bind(address)
            opened.listen(BACKLOG)
        except OSError:
            opened.close()
            raise
    except OSError as error:
        raise ServingError(
            f"can't listen on {host}, port {port} ({error.strerror or type(error).__name__}): choose another port with "
            "--port, or stop what uses it."
        ) from None
    return opened


def supervise(command: list[str], descriptor: int) -> int:
    """Keep `command` running; returns 0 once it was told to stop, else what the last one returned."""
    stopping = False
    worker: subprocess.Popen[bytes] | None = None

    def stop(number: int, _: FrameType | None) -> None:
        nonlocal stopping
        stopping = True
        if worker is not None:
            with contextlib.suppress(ProcessLookupError):
                worker.send_signal(signal.SIGTERM)

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    quick = 0
    status = 0
    try:
        while not stopping:
            started = time.monotonic()
            # A group of its own: Ctrl+C comes here, and the worker is then told to finish.
            worker = subprocess.Popen(command, pass_fds=[descriptor], start_new_session=True)
            if stopping:
                worker.send_signal(signal.SIGTERM)
            status = worker.wait()
            if stopping:
                break
            if status == NEVER:
                return status
            quick = quick + 1 if time.monotonic() - started < QUICK_SECONDS else 0
            if quick >= QUICK_DEATHS:
                say(f"the worker ended at once {quick} times, the last time with {status}; giving up")
                return 1
            say(f"the worker ended with {status}; another one is started")
            command = [*command, "--replaces"] if "--replaces" not in command else command
        return 0
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if worker is not None and worker.poll() is None:
            worker.kill()


def print_new_key(name: str, scope: str) -> int:
    """Print a new key, and what to put into the file of keys."""
    if scope not in SCOPES:
        raise ServingError(f"--scope {scope}: expected one of {', '.join(SCOPES)}.")
    key = new_key()
    print(f"The key, shown this once:\n\n    {key}\n\nInto the file of keys:\n")
    print(f'[keys."{name}"]\nscope = "{scope}"\nsha256 = "{hash_of(key)}"')
    return 0
