"""Tests of the graph: its text, its verifier."""
