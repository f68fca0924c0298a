"""Logistic regression on real data, with SciPy's optimiser and our gradient.

The Wisconsin breast cancer data (569 tumours, 30 measurements each) come with scikit-learn.

Run it with ``python examples/logistic_regression.py``.
"""

import numpy as np
from scipy.optimize import minimize
from sklearn.datasets import load_breast_cancer

import adjoint as ad

data = load_breast_cancer()
order = np.random.default_rng(0).permutation(len(data.target))
train, test = order[:400], order[400:]
mean, deviation = data.data[train].mean(axis=0), data.data[train].std(axis=0)
X = (data.data - mean) / deviation
y = data.target.astype(float)


def predict(params, X):
    return 1 / (1 + np.exp(-(X @ params["w"] + params["b"])))


def loss(params, X, y, penalty=1e-2):
    """Mean negative log likelihood, and a penalty on large weights."""
    z = X @ params["w"] + params["b"]
    return np.mean(np.logaddexp(0, z) - y * z) + penalty / 2 * np.sum(params["w"] ** 2)


# The gradient has the structure of the parameters: here a dictionary.
start = {"w": np.zeros(X.shape[1]), "b": 0.0}
value, gradient = ad.value_and_grad(loss)(start, X[train], y[train])

# For logistic regression it can be checked by hand: Xᵀ(p − y)/n plus the penalty's.
residual = predict(start, X[train]) - y[train]
assert np.allclose(gradient["w"], X[train].T @ residual / len(train), rtol=1e-13)
assert np.isclose(gradient["b"], residual.mean(), rtol=1e-13)


# SciPy works on one vector, and takes value and gradient from one call (jac=True).
def unpack(v):
    return {"w": v[:-1], "b": v[-1]}


objective = ad.value_and_grad(lambda v: loss(unpack(v), X[train], y[train]))
fit = minimize(objective, np.zeros(X.shape[1] + 1), jac=True, method="L-BFGS-B")
params = unpack(fit.x)


def accuracy(rows):
    return np.mean((predict(params, X[rows]) > 0.5) == (y[rows] == 1))


strongest = np.argsort(-np.abs(params["w"]))[:5]
print(f"loss        {value:.4f} -> {fit.fun:.4f} in {fit.nit} iterations")
print(f"gradient    {np.abs(fit.jac).max():.1e} at the end")
print(f"accuracy    {accuracy(train):.1%} on {len(train)} to learn from")
print(f"            {accuracy(test):.1%} on {len(test)} never seen")
print("\nstrongest signs of a benign tumour (−: of a malignant one)")
for k in strongest:
    print(f"  {params['w'][k]:+.3f}  {data.feature_names[k]}")

assert fit.success
assert accuracy(test) > 0.95
