"""What machine code raises, before it is known why."""

__all__ = ["Failed"]


class Failed(Exception):
    """A call has failed; its argument is the address of the context, which says why."""
