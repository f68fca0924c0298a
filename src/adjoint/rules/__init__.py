"""The derivatives: each stated once, in a row of one of these tables.

A row gives the derivative of an operation in the form of its family (`adjoint.rules.derive`); the
forward rule, the reverse rule and what must be kept for them are derived from it.
"""
