"""Nonlinear least squares with SciPy and our Jacobian, against NIST's certified values.

Data, model and certified values are those of "Misra1a" in the NIST Statistical Reference Datasets
(D. Misra, National Bureau of Standards, *Dental Research Monomolecular Adsorption Study*, 1978;
public domain; certified from computations in 128-bit arithmetic):
https://www.itl.nist.gov/div898/strd/nls/data/misra1a.shtml

Run it with ``python examples/nonlinear_least_squares.py``.
"""

import math

import numpy as np
from scipy.optimize import least_squares

import adjoint as ad

# Pressure x, volume y of adsorbed gas.
x, y = np.array([
    [77.6, 10.07], [114.9, 14.73], [141.1, 17.94], [190.8, 23.93], [239.9, 29.61],
    [289.0, 35.18], [332.8, 40.02], [378.4, 44.82], [434.8, 50.76], [477.3, 55.05],
    [536.8, 61.01], [593.1, 66.40], [689.1, 75.47], [760.0, 81.78],
]).T  # fmt: skip

START = np.array([500.0, 0.0001])  # the harder of NIST's two starting points
CERTIFIED = np.array([2.3894212918e2, 5.5015643181e-4])
CERTIFIED_ERRORS = np.array([2.7070075241, 7.2668688436e-6])
CERTIFIED_DEVIATION = 1.0187876330e-1
CERTIFIED_SUM_OF_SQUARES = 1.2455138894e-1


def residuals(b):
    return b[0] * (1 - np.exp(-b[1] * x)) - y


jacobian = ad.jacobian(residuals)
fit = least_squares(
    residuals, START, jac=jacobian, x_scale="jac", xtol=1e-15, ftol=1e-15, gtol=1e-15
)

# Standard errors: with residuals of deviation s, the covariance of the estimate is s² (JᵀJ)⁻¹. It
# is formed from J = QR, since JᵀJ would square the condition number.
J = jacobian(fit.x)
s = math.sqrt(np.sum(fit.fun**2) / (len(y) - len(fit.x)))
R_inverse = np.linalg.inv(np.linalg.qr(J)[1])
errors = s * np.sqrt(np.sum(R_inverse**2, axis=1))


def digits(found, certified):
    """The log relative error that NIST's tests are scored by: correct digits."""
    return -math.log10(max(abs(found / certified - 1), 1e-16))


rows = [
    ("b1", fit.x[0], CERTIFIED[0]),
    ("b2", fit.x[1], CERTIFIED[1]),
    ("standard error of b1", errors[0], CERTIFIED_ERRORS[0]),
    ("standard error of b2", errors[1], CERTIFIED_ERRORS[1]),
    ("residual deviation", s, CERTIFIED_DEVIATION),
    ("sum of squares", 2 * fit.cost, CERTIFIED_SUM_OF_SQUARES),
]
print("Misra1a: y = b1 (1 − exp(−b2 x))            found           certified    digits")
for name, found, certified in rows:
    print(f"{name:30} {found:20.10e} {certified:19.10e} {digits(found, certified):8.1f}")
    assert digits(found, certified) > 8.5, name

# The Jacobian itself, against the derivative by hand.
b1, b2 = fit.x
by_hand = np.stack([1 - np.exp(-b2 * x), b1 * x * np.exp(-b2 * x)], axis=1)
assert np.allclose(J, by_hand, rtol=1e-13)

# A difference quotient in its place gets the standard errors, but to fewer digits.
steps = 1e-6 * fit.x
quotient = np.stack(
    [(residuals(fit.x + h) - residuals(fit.x)) / h.sum() for h in np.diag(steps)], axis=1
)
rough = s * np.sqrt(np.diag(np.linalg.inv(quotient.T @ quotient)))
print(f"\nwith forward differences the errors have {digits(rough[0], errors[0]):.1f} digits")
assert digits(rough[0], errors[0]) < 8
