"""SciPy's special functions, at points where differences see their derivatives."""

import numpy as np
import scipy.special as sp

from tests.cases import case

P = np.array([0.3, 1.4, 2.6])
Q = np.array([0.7, 1.9, 0.5])
S = np.array([-1.3, 0.4, 2.1])
U = np.array([0.2, 0.55, 0.83])
Z = np.array([0.7 + 0.4j, 1.3 - 0.8j, -0.6 + 1.1j])
A = np.array([[0.7, -1.2, 0.4], [1.5, 0.3, -0.8]])

_POSITIVE = """gamma gammaln loggamma rgamma psi erfcx dawsn entr y0 y1 k0 k0e k1 k1e exp1 expi
    ellipkm1 spence wrightomega log_ndtr sindg cosdg tandg cotdg exprel""".split()
_SIGNED = """erf erfc erfi erfcx dawsn ndtr log_ndtr expit log_expit exprel cosm1 exp10 j0 j1 i0 i0e
    i1 i1e rgamma zetac exp2 expm1 cbrt""".split()
_UNIT = "logit ndtri erfinv erfcinv ellipk ellipe ellipkm1 log1p".split()
_COMPLEX = """gamma loggamma rgamma psi erf erfc erfcx erfi dawsn wofz exp1 expi spence wrightomega
    expm1 log1p""".split()
_COMPLEX_ORDER = "jv yv iv kv kve hankel1 hankel1e hankel2 hankel2e".split()
_ORDER = "jv jve yv yve iv ive kv kve struve modstruve hankel1 hankel2".split()
_POLYNOMIALS = """eval_legendre eval_chebyt eval_chebyu eval_chebyc eval_chebys eval_hermite
    eval_hermitenorm eval_laguerre eval_sh_legendre eval_sh_chebyt eval_sh_chebyu""".split()
_DEGREES = np.array([0, 1, 4])


def _f(name):
    fn = getattr(sp, name)
    return lambda *args: fn(*args)


CASES = [
    *[case(f"special {n} positive", _f(n), P) for n in _POSITIVE],
    *[case(f"special {n} signed", _f(n), S) for n in _SIGNED],
    *[case(f"special {n} unit", _f(n), U) for n in _UNIT],
    *[case(f"special {n} complex", _f(n), Z) for n in _COMPLEX],
    *[
        case(f"special {n} complex", lambda z, n=n: getattr(sp, n)(1.5, z), Z)
        for n in _COMPLEX_ORDER
    ],
    *[case(f"special {n} order", lambda z, n=n: getattr(sp, n)(1.3, z), P) for n in _ORDER],
    *[
        case(f"special {n} degrees", lambda x, n=n: getattr(sp, n)(_DEGREES, x), U, float32=False)
        for n in _POLYNOMIALS
    ],
    *[
        case(f"special {f.__name__}", lambda x, f=f: f(np.array([0, 1, 3]), x), P, float32=False)
        for f in (sp.spherical_jn, sp.spherical_yn, sp.spherical_in, sp.spherical_kn)
    ],
    case("special spherical_jn derivative", lambda x: sp.spherical_jn(2, x, True), P),
    case("special eval_jacobi", lambda x: sp.eval_jacobi(3, 0.4, 1.2, x), U),
    case("special eval_sh_jacobi", lambda x: sp.eval_sh_jacobi(3, 2.4, 1.2, x), U),
    case("special eval_gegenbauer", lambda x: sp.eval_gegenbauer(3, 0.7, x), U),
    case("special eval_genlaguerre", lambda x: sp.eval_genlaguerre(3, 0.7, x), U),
    case("special yn kn", lambda x: sp.yn(2, x) * sp.kn(1, x), P, rtol=1e-5),
    case("special jvp", lambda x: sp.jvp(1, x, 2) + sp.kvp(1, x) + sp.ivp(2, x, 1), P),
    case("special airy", lambda x: sp.airy(x), S),
    case("special airy complex", lambda x: sp.airy(x), Z),
    case("special sici", lambda x: sp.sici(x), P),
    case("special shichi", lambda x: sp.shichi(x), P),
    case("special fresnel", lambda x: sp.fresnel(x), S),
    case("special expn", lambda x: sp.expn(np.array([1, 2, 3]), x), P, float32=False),
    case("special poch", lambda z, m: sp.poch(z, m), P, Q),
    case("special beta", lambda a, b: sp.beta(a, b), P, Q),
    case("special betaln broadcast", lambda a, b: sp.betaln(a[:, None], b), P, Q),
    case("special binom", lambda n, k: sp.binom(n, k), P + 3, Q),
    case("special polygamma", lambda x: sp.polygamma(2, x), P),
    case("special polygamma negative", lambda x: sp.polygamma(1, x), np.array([-0.4, -2.3])),
    case("special polygamma orders", lambda x: sp.polygamma([0, 1, 3], x), P),
    case("special zeta", lambda x: sp.zeta(x), np.array([1.5, 3.2, 0.4, -1.3, -6.2])),
    case("special hurwitz", lambda x, q: sp.zeta(x, q), P + 1.2, Q),
    case("special owens_t", lambda h, a: sp.owens_t(h, a), S, P),
    case("special powm1", lambda x, y: sp.powm1(x, y), P, S),
    case("special xlogy", lambda x, y: sp.xlogy(x, y), S, P),
    case("special xlog1py", lambda x, y: sp.xlog1py(x, y), S, P),
    case("special rel_entr", lambda x, y: sp.rel_entr(x, y), P, Q),
    case("special kl_div", lambda x, y: sp.kl_div(x, y), P, Q),
    case("special huber", lambda d, r: sp.huber(d, r), P, S),
    case("special pseudo_huber", lambda d, r: sp.pseudo_huber(d, r), P, S),
    case("special boxcox", lambda x, a: sp.boxcox(x, a), P, S),
    case("special boxcox1p", lambda x, a: sp.boxcox1p(x, a), P, S),
    case("special inv_boxcox", lambda y, a: sp.inv_boxcox(y, a), P, 0.3 * S),
    case("special inv_boxcox1p", lambda y, a: sp.inv_boxcox1p(y, a), P, 0.3 * S),
    case("special boxcox at 0", lambda x: sp.boxcox(x, 0.0), P),
    case("special softplus", lambda x: sp.softplus(x), S),
    case("special lambertw", lambda x: sp.lambertw(x).real, P),
    case("special lambertw branch", lambda x: sp.lambertw(x, -1), Z),
    case("special hyp2f1", lambda z: sp.hyp2f1(0.4, 1.3, 2.2, z), S * 0.3),
    case("special hyp1f1", lambda z: sp.hyp1f1(0.4, 1.3, z), S),
    case("special hyp0f1", lambda z: sp.hyp0f1(1.3, z), P),
    case("special hyperu", lambda z: sp.hyperu(0.4, 1.3, z), P),
    case("special ellipkinc", lambda p, m: sp.ellipkinc(p, m), S, U),
    case("special ellipeinc", lambda p, m: sp.ellipeinc(p, m), S, U),
    case("special ellipj", lambda u, m: sp.ellipj(u, m), S, U),
    case("special agm", lambda a, b: sp.agm(a, b), P, Q),
    case("special voigt_profile", lambda x, a, b: sp.voigt_profile(x, a, b), S, P, Q),
    case("special gammainc", lambda a, x: sp.gammainc(a, x), P, Q),
    case("special gammaincc", lambda a, x: sp.gammaincc(a, x), Q, P),
    case("special gammaincinv", lambda a, y: sp.gammaincinv(a, y), P, U),
    case("special gammainccinv", lambda a, y: sp.gammainccinv(a, y), P, U),
    case("special betainc", lambda a, b, x: sp.betainc(a, b, x), P, Q, U),
    case("special betaincc", lambda a, b, x: sp.betaincc(a, b, x), P, Q, U),
    case("special betaincinv", lambda a, b, y: sp.betaincinv(a, b, y), P, Q, U),
    case("special betainccinv", lambda a, b, y: sp.betainccinv(a, b, y), P, Q, U),
    case("special stdtr", lambda v, t: sp.stdtr(v, t), P, S),
    case("special stdtrit", lambda v, p: sp.stdtrit(v, p), P, U),
    case("special fdtr", lambda a, b, x: sp.fdtr(a, b, x) - sp.fdtrc(a, b, x), P, Q, U),
    case("special fdtri", lambda a, b, p: sp.fdtri(a, b, p), P, Q, U),
    case("special chdtr", lambda v, x: sp.chdtr(v, x) - sp.chdtrc(v, x), P, Q),
    case("special chdtri", lambda v, p: sp.chdtri(v, p), P, U),
    case("special gdtr", lambda a, b, x: sp.gdtr(a, b, x) - sp.gdtrc(a, b, x), P, Q, Q),
    case("special pdtr", lambda m: sp.pdtr(2, m) - sp.pdtrc(1, m), P),
    case("special bdtr", lambda p: sp.bdtr(2, 7, p) - sp.bdtrc(1, 7, p), U),
    case("special nbdtr", lambda p: sp.nbdtr(2, 7, p) - sp.nbdtrc(1, 7, p), U),
    case("special logsumexp", lambda x: sp.logsumexp(x), A),
    case("special logsumexp axis", lambda x: sp.logsumexp(x, axis=-1, keepdims=True), A),
    case("special logsumexp axes", lambda x: sp.logsumexp(x, axis=(0, 1)), A),
    case("special logsumexp weights", lambda x, b: sp.logsumexp(x, axis=0, b=b), A, P),
    case("special logsumexp sign", lambda x, b: sp.logsumexp(x, 1, b, return_sign=True), A, S),
    case("special logsumexp complex", lambda x: sp.logsumexp(x), Z),
    case("special softmax", lambda x: sp.softmax(x, axis=1), A),
    case("special softmax all", lambda x: sp.softmax(x), A),
    case("special log_softmax", lambda x: sp.log_softmax(x, axis=0), A),
    case("special factorial", lambda x: sp.factorial(x), P),
    case("special comb", lambda n, k: sp.comb(n, k), P + 3, Q),
    case("special perm", lambda n, k: sp.perm(n, k), P + 3, Q),
    case("special multigammaln", lambda a: sp.multigammaln(a, 3), 2.7),
]
