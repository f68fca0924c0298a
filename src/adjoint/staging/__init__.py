"""Staging: running the user's function on staged values, its loops and branches as operations.

This folder exists so that rewritten code (`adjoint.frontend`) finds what its hooks mean: which
loops and branches run as Python and which become operations with blocks, what a loop carries, what
is read anew at each call.
"""
