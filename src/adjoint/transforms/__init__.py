"""Walks over a recorded graph: forward (jvp), backward (vjp). Each is written once.

The walks run the rules on whatever values they meet: arrays, or the traced values of an outer
derivative, in which case they extend that derivative's graph.
"""
