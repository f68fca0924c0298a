"""What a function did when it was differentiated, for people to read.

This folder exists so that a recorded graph can be looked at: the evaluation trace of the textbooks,
with the user's own line beside each step.

``evaluation``   a recorded call and its rows: values, tangents, adjoints
``expressions``  one step as a formula
``tables``       rows as plain text, Markdown and HTML
``nonfinite``    where the first NaN or infinity appeared, going forward and going back
``places``       which line of the user's a frame or a traceback belongs to
"""

from adjoint.explain.evaluation import EvaluationTrace, Row, trace

__all__ = ["EvaluationTrace", "Row", "trace"]
