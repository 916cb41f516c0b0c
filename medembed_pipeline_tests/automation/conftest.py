"""Markers of these tests."""

import pytest


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "live: starts a webserver and a daemon, and takes minutes (-m 'not live')"
    )
