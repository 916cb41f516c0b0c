"""The process that serves: on a socket that its supervisor holds open, or on one of its own."""

from __future__ import annotations

import argparse
import asyncio
import socket
import sys

from medembed_pipeline.errors import MedembedError
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.serving.arguments import add_arguments, with_options
from medembed_pipeline.serving.audit import AuditLog
from medembed_pipeline.serving.gate import Application, Gate
from medembed_pipeline.serving.keys import Keyring, read_keyring, refuse_open_service
from medembed_pipeline.serving.output import guard_process, say
from medembed_pipeline.serving.rates import RateLimit
from medembed_pipeline.serving.service import Service
from medembed_pipeline.serving.settings import ServingSettings
from medembed_pipeline.settings import data_lake_url, load_settings

DRAIN_SECONDS = 20
WAIT_SECONDS = 60.0
"""How long a worker that replaces a dead one loads before it takes connections: they wait, and are not refused."""


def make_gate(service: Service, settings: ServingSettings, keyring: Keyring, audit: AuditLog) -> Application:
    """The application behind its gate."""
    from medembed_pipeline.serving.app import make_app

    return Gate(
        make_app(service),
        keyring=keyring,
        host=settings.host,
        allowed_hosts=settings.allowed_hosts,
        limit=RateLimit(settings.requests_per_second),
        request_bytes=int(settings.request_megabytes * 1024**2),
        picture_bytes=int(settings.picture_request_megabytes * 1024**2),
        audit=audit,
        metrics=service.metrics,
        say=service.say,
    )


def serve_on(listening: socket.socket, application: Application) -> None:
    """Answer until SIGTERM or SIGINT; requests that have begun are finished first."""
    import uvicorn

    config = uvicorn.Config(
        application,
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=DRAIN_SECONDS,
        lifespan="on",
        ws="none",
    )
    server = uvicorn.Server(config)
    asyncio.run(server.serve(sockets=[listening]))


def main(arguments: list[str] | None = None) -> int:
    """Serve on an inherited socket; returns the exit status (2: it can never start)."""
    parser = argparse.ArgumentParser(prog="medembed-serving-worker", description=__doc__)
    add_arguments(parser)
    parser.add_argument("--socket", type=int, required=True, help="file descriptor of the listening socket")
    parser.add_argument("--replaces", action="store_true", help="it replaces a worker that died")
    options = parser.parse_args(arguments)
    guard_process()
    try:
        loaded = load_settings()
        settings = with_options(loaded.serving, options.host, options.port)
        keyring = read_keyring(options.keys)
        refuse_open_service(settings.host, keyring)
        audit = AuditLog(options.audit_log)
    except MedembedError as error:
        say(f"error: {error}")
        return 2
    wait = WAIT_SECONDS if options.replaces else 0.0
    service = Service(Lake(data_lake_url()), settings, loaded.encoder, say, wait_seconds=wait)
    gate = make_gate(service, settings, keyring, audit)
    guard_process()
    serve_on(socket.socket(fileno=options.socket), gate)
    audit.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
