"""What runs a graph.

``interpret`` runs it with NumPy and is the meaning of the IR: whatever else runs graphs is tested
against it. ``prepare`` turns blocks into the segments of ``program``, and ``steps`` an operation
into a step; ``interpret`` runs them, and ``observe`` counts or checks what they do.
"""
