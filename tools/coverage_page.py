"""Write docs/coverage.md: what becomes of each public function of NumPy and SciPy's dense areas.

    python tools/coverage_page.py            # writes the page
    python tools/coverage_page.py --check    # fails if the page is not up to date

What is differentiable and what is constant is read from the tables that dispatch a call; only the
functions that never meet a traced value (input and output, data types, settings) are listed here.
"""

from __future__ import annotations

import argparse
import functools
import importlib
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import scipy
import scipy.linalg
import scipy.special

from adjoint.frontend import hooks
from adjoint.ir import Op
from adjoint.numpy_api.constants import CONSTANTS
from adjoint.ops.registry import FUNCTIONS, LAZY, UFUNCS
from adjoint.rules.derive import ZERO

PAGE = Path(__file__).parent.parent / "docs" / "coverage.md"
AREAS = (np, np.linalg, np.fft, scipy.special, scipy.linalg)

DIFFERENTIABLE, CONSTANT, REFUSED = "differentiable", "constant", "refused"

# Functions of integers, types, text, files and settings: no operand of theirs can be traced, or
# their results are constants whatever the operands.
WITHOUT_DERIVATIVE: dict[str, str] = {
    "numpy": """
        base_repr binary_repr broadcast_shapes busday_count busday_offset datetime_as_string
        datetime_data diag_indices diag_indices_from format_float_positional
        format_float_scientific from_dlpack frombuffer fromfile fromregex fromstring genfromtxt
        get_include get_printoptions getbufsize geterr geterrcall indices info is_busday isdtype
        isfortran isscalar issubdtype iterable ix_ load loadtxt mask_indices mintypecode
        nested_iters packbits printoptions promote_types ravel_multi_index save savetxt savez
        savez_compressed set_printoptions setbufsize seterr seterrcall show_config show_runtime
        test tril_indices tril_indices_from triu_indices triu_indices_from typename unpackbits
        unravel_index bitwise_and bitwise_count bitwise_invert bitwise_left_shift bitwise_not
        bitwise_or bitwise_right_shift bitwise_xor gcd invert isnat lcm left_shift right_shift
        bartlett blackman hamming hanning bincount tri
    """,
    "numpy.fft": "fftfreq rfftfreq",
    "scipy.special": """
        ai_zeros bei_zeros beip_zeros ber_zeros berp_zeros bi_zeros erf_zeros fresnel_zeros
        fresnelc_zeros fresnels_zeros geterr jn_zeros jnjnp_zeros jnp_zeros jnyn_zeros kei_zeros
        keip_zeros kelvin_zeros ker_zeros kerp_zeros seterr y0_zeros y1_zeros y1p_zeros yn_zeros
        ynp_zeros bernoulli euler comb perm stirling2 obl_cv pro_cv mathieu_a mathieu_b errstate
        roots_chebyc roots_chebys roots_chebyt roots_chebyu roots_gegenbauer
        roots_genlaguerre roots_hermite roots_hermitenorm roots_jacobi roots_laguerre roots_legendre
        roots_sh_chebyt roots_sh_chebyu roots_sh_jacobi roots_sh_legendre p_roots t_roots u_roots
        c_roots s_roots h_roots he_roots j_roots js_roots l_roots la_roots cg_roots ps_roots
        ts_roots us_roots
    """,
    "scipy.linalg": """
        bandwidth find_best_blas_type get_blas_funcs get_lapack_funcs hadamard helmert hilbert
        invhilbert invpascal ishermitian issymmetric pascal dft
    """,
}  # fmt: skip


# Deprecated other names of functions that are listed.
ALIASES = {"numpy": ("row_stack",)}


@functools.cache
def by_nature(module: str) -> frozenset[str]:
    """Return the names of a module's functions that have nothing to do with derivatives."""
    return frozenset(WITHOUT_DERIVATIVE.get(module, "").split())


def load_everything() -> None:
    """Import our modules about SciPy, which otherwise wait until a function of theirs is met."""
    for module in sorted(set(LAZY.values())):
        importlib.import_module(module)


def functions_of(module: Any) -> dict[str, Any]:
    """Return the public functions of a module by name."""
    names = getattr(module, "__all__", None) or dir(module)
    found = {}
    for name in sorted(set(names)):
        value = getattr(module, name, None)
        if (
            name.startswith("_")
            or isinstance(value, (types.ModuleType, type))
            or not callable(value)
        ):
            continue
        if name in ALIASES.get(module.__name__, ()):
            continue
        found[name] = value
    return found


def status(module: Any, name: str, fn: Any) -> str:
    """Return what becomes of a call of ``fn`` with traced arguments."""
    if name in by_nature(module.__name__) or fn in CONSTANTS:
        return CONSTANT
    impl = UFUNCS.get(fn) or FUNCTIONS.get(fn)
    if isinstance(impl, Op):
        return CONSTANT if impl.rule is ZERO else DIFFERENTIABLE
    if getattr(impl, "refuses", False):
        return REFUSED
    if impl is not None:
        return DIFFERENTIABLE
    replacement = hooks.replacements.get(fn)
    if replacement is None or getattr(replacement, "refuses", False):
        return REFUSED
    return DIFFERENTIABLE


def versions() -> str:
    """Return the versions whose names the page goes through."""
    return " and ".join(
        f"{m.__name__} {'.'.join(m.__version__.split('.')[:2])}" for m in (np, scipy)
    )


def page() -> str:
    """Return the text of the page."""
    load_everything()
    lines = [
        "# Coverage",
        "",
        "<!-- Written by tools/coverage_page.py; a test keeps it up to date. -->",
        "",
        f"Of {versions()}.",
        "",
        "What becomes of each public function when an argument of it is traced. *Differentiable*: "
        "it has derivatives of every mode and order (with the limits that its docstring or "
        "[limits](limits.md) names). *Constant*: its result has no derivative by nature (a shape, "
        "an index, a truth value, a file), or the derivative is zero wherever it exists. "
        "*Refused*: it raises `NoRuleError`, which shows how to give it a rule.",
        "",
    ]
    for module in AREAS:
        groups: dict[str, list[str]] = {DIFFERENTIABLE: [], CONSTANT: [], REFUSED: []}
        for name, fn in functions_of(module).items():
            groups[status(module, name, fn)].append(name)
        counts = ", ".join(f"{len(names)} {kind}" for kind, names in groups.items())
        lines += [f"## {module.__name__}", "", f"{counts}.", ""]
        for kind, names in groups.items():
            if names:
                lines += [f"**{kind.capitalize()}**: " + ", ".join(f"`{n}`" for n in names), ""]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    text = page()
    if parser.parse_args().check:
        same = PAGE.exists() and PAGE.read_text(encoding="utf-8") == text
        print("docs/coverage.md is up to date" if same else "docs/coverage.md is out of date")
        return 0 if same else 1
    PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
