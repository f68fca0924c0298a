"""The transformations that users call: each takes a function and returns another."""
