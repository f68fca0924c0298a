"""A long short-term memory whose weights are elementwise vectors, on a text (ADBench's LSTM)."""

import numpy as np

from benchmarks.programs.adbench_data import random_lstm
from benchmarks.programs.registry import Program


def sigmoid(x):
    """The logistic function."""
    return 1 / (1 + np.exp(-x))


def lstm(main, extra, state, sequence):
    """The negative log likelihood of each next character, as ADBench defines it.

    main (2l, 4b): for each layer a row of the weights and a row of the biases of the forget, input
    and output gates and of the change; extra (3, b): weight of the input, weight and bias of the
    output; state (2l, b): for each layer a row hidden and a row cell; sequence (c, b).
    """
    layers, b = len(main) // 2, len(main[0]) // 4
    characters = len(sequence)
    hidden, cell = state[0::2].copy(), state[1::2].copy()
    total = 0.0
    for t in range(characters - 1):
        x = sequence[t] * extra[0]
        for i in range(layers):
            weight, bias = main[2 * i], main[2 * i + 1]
            h = hidden[i]
            forget = sigmoid(x * weight[:b] + bias[:b])
            ingate = sigmoid(h * weight[b : 2 * b] + bias[b : 2 * b])
            outgate = sigmoid(x * weight[2 * b : 3 * b] + bias[2 * b : 3 * b])
            change = np.tanh(h * weight[3 * b :] + bias[3 * b :])
            cell[i] = cell[i] * forget + ingate * change
            hidden[i] = outgate * np.tanh(cell[i])
            x = hidden[i]
        y = x * extra[1] + extra[2]
        log_prediction = y - np.log(2 + np.sum(np.exp(y)))
        total += np.sum(sequence[t + 1] * log_prediction)
    return -total / (b * (characters - 1))


SIZES = {
    "tiny": {"layers": 2, "characters": 6, "b": 14},
    "S": {"layers": 2, "characters": 1024, "b": 14},
    "M": {"layers": 4, "characters": 1024, "b": 14},
    "L": {"layers": 4, "characters": 4096, "b": 14},
}

PROGRAM = Program(
    name="lstm",
    function=lstm,
    inputs=lambda size, seed: random_lstm(seed, **SIZES[size]),
    differentiated=(0, 1),
    sizes=SIZES,
    source="ADBench (Šrajer, Kukelova, Fitzgibbon 2018), LSTM",
)
