"""Greeks of a European call: first and second derivatives of one pricing function.

Price and closed forms are those of Black & Scholes, *J. Political Economy* 81 (1973), as in Hull,
*Options, Futures, and Other Derivatives*, chapter "The Greek letters".

Run it with ``python examples/black_scholes.py``.
"""

import math

import numpy as np
from scipy.special import ndtr

import adjoint as ad


def price(S, K, r, sigma, T):
    """Of a call with strike K, time T to expiry; spot S, interest rate r, volatility sigma."""
    d1 = (math.log(S / K) + (r + sigma**2 / 2) * T) / (sigma * math.sqrt(T))
    d2 = d1 - sigma * math.sqrt(T)
    return S * ndtr(d1) - K * math.exp(-r * T) * ndtr(d2)


S, K, r, sigma, T = market = (100.0, 105.0, 0.03, 0.25, 0.75)

# All first derivatives in one reverse sweep, all second derivatives from one Hessian.
value, first = ad.value_and_grad(price, argnums=(0, 1, 2, 3, 4))(*market)
second = ad.hessian(price, argnums=(0, 1, 2, 3, 4))(*market)
spot, strike, rate, volatility, expiry = range(5)

# The closed forms, each derived by hand.
root = sigma * math.sqrt(T)
d1 = (math.log(S / K) + (r + sigma**2 / 2) * T) / root
d2 = d1 - root
density = math.exp(-(d1**2) / 2) / math.sqrt(2 * math.pi)
discount = math.exp(-r * T)
vega = S * density * math.sqrt(T)

greeks = {
    "delta   ∂V/∂S": (first[spot], ndtr(d1)),
    "vega    ∂V/∂σ": (first[volatility], vega),
    "rho     ∂V/∂r": (first[rate], K * T * discount * ndtr(d2)),
    "theta  −∂V/∂T": (
        -first[expiry],
        -S * density * sigma / (2 * math.sqrt(T)) - r * K * discount * ndtr(d2),
    ),
    "dual delta ∂V/∂K": (first[strike], -discount * ndtr(d2)),
    "gamma   ∂²V/∂S²": (second[spot][spot], density / (S * root)),
    "vanna   ∂²V/∂S∂σ": (second[spot][volatility], -density * d2 / sigma),
    "volga   ∂²V/∂σ²": (second[volatility][volatility], vega * d1 * d2 / sigma),
    "charm  −∂²V/∂S∂T": (
        -second[spot][expiry],
        -density * (2 * r * T - d2 * root) / (2 * T * root),
    ),
}

print(f"call, spot {S:g}, strike {K:g}, rate {r:g}, volatility {sigma:g}, {T:g} years: {value:.6f}")
print("\nGreek                  derivative   closed form")
for name, (derivative, closed_form) in greeks.items():
    print(f"{name:20} {derivative:12.8f}  {closed_form:12.8f}")
    assert math.isclose(derivative, closed_form, rel_tol=1e-11), name

# The order of differentiation does not matter, and a whole book goes as well as one option.
assert np.allclose(second, np.transpose(second), rtol=1e-9, atol=1e-12)
strikes = np.linspace(80.0, 120.0, 5)
gammas = ad.vmap(ad.grad(ad.grad(price)), in_axes=(None, 0, None, None, None))(
    S, strikes, r, sigma, T
)
print("\nstrike ", *(f"{k:9.0f}" for k in strikes))
print("gamma  ", *(f"{g:9.6f}" for g in gammas))
assert np.argmax(gammas) in (2, 3)  # it is largest near the money

# Speed, a third derivative: ∂gamma/∂S = −gamma/S (d1/(σ√T) + 1).
speed = ad.derivative(lambda S: price(S, K, r, sigma, T), order=3)(S)
gamma = greeks["gamma   ∂²V/∂S²"][1]
assert math.isclose(speed, -gamma / S * (d1 / root + 1), rel_tol=1e-10)
