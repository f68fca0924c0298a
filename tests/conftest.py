"""Shared settings of the test suite."""

import os
import shutil
import signal
import tempfile

import pytest
from hypothesis import settings

settings.register_profile("adjoint", deadline=None, print_blob=True)
settings.load_profile("adjoint")

FOLDER = "ADJOINT_CACHE_DIR"


def pytest_configure(config):
    """Keep machine code in a folder of this run's own, which its workers share."""
    if FOLDER not in os.environ:
        os.environ[FOLDER] = config.adjoint_objects = tempfile.mkdtemp(prefix="adjoint-objects-")


def pytest_unconfigure(config):
    """Remove that folder."""
    folder = getattr(config, "adjoint_objects", None)
    if folder is not None:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session", autouse=True)
def interrupts():
    """Have SIGINT raise KeyboardInterrupt, which a shell has programs in the background ignore."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
