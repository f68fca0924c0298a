"""What `adjoint train` makes of a file: the arguments of `nn.fit`.

This folder exists so that a network can be trained without writing a program, or with only the
parts of one that are not always the same.

``job``      one run
``program``  FILE.py: a model, a loss and data in Python
``config``   CONFIG.toml: which keys there are, and what is allowed for each
``tables``   the data that a configuration names, checked number by number
``examples`` what the loss takes of them
``networks`` the model and the loss that it names; ``optimizers``: the optimiser
``folder``   where a run keeps what it makes, and how it is gone on with
"""
