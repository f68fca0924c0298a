"""Machine code in tests: what is compiled is kept in a folder of the test's own."""

import pytest

from adjoint.backends.llvm import compiled, engine


@pytest.fixture(autouse=True)
def cache_folder(tmp_path, monkeypatch):
    """Keep objects below ``tmp_path``, whatever the environment says."""
    folder = tmp_path / "objects"
    monkeypatch.setenv("ADJOINT_CACHE_DIR", str(folder))
    for name in ("ADJOINT_CACHE", "ADJOINT_CACHE_SIZE", "ADJOINT_VECTOR_MATH"):
        monkeypatch.delenv(name, raising=False)
    return folder


@pytest.fixture
def compiled_quickly(monkeypatch):
    """Compile without passes, and keep nothing: for tests of what code says."""
    monkeypatch.setenv("ADJOINT_CACHE", "0")
    monkeypatch.setattr(compiled, "OPTIONS", engine.Options(passes=0, codegen=0))
