"""Shared settings of the test suite."""

from hypothesis import settings

settings.register_profile("adjoint", deadline=None, print_blob=True)
settings.load_profile("adjoint")
