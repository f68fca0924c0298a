"""Machine code in tests: what is compiled is kept in a folder of the test's own."""

import pytest


@pytest.fixture(autouse=True)
def cache_folder(tmp_path, monkeypatch):
    """Keep objects below ``tmp_path``, whatever the environment says."""
    folder = tmp_path / "objects"
    monkeypatch.setenv("ADJOINT_CACHE_DIR", str(folder))
    for name in ("ADJOINT_CACHE", "ADJOINT_CACHE_SIZE", "ADJOINT_VECTOR_MATH"):
        monkeypatch.delenv(name, raising=False)
    return folder
