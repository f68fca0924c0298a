"""docs/coverage.md says what the tables say, and what it calls refused is refused."""

import sys
from pathlib import Path

import numpy as np
import pytest

import adjoint as ad

sys.path.insert(0, str(Path(__file__).parent.parent / "tools"))
import coverage_page

coverage_page.load_everything()


def test_the_page_is_up_to_date():
    text = coverage_page.PAGE.read_text(encoding="utf-8")
    if f"Of {coverage_page.versions()}." not in text:
        pytest.skip(f"the page is of other versions than {coverage_page.versions()}")
    assert coverage_page.PAGE.read_text(encoding="utf-8") == coverage_page.page(), (
        "run python tools/coverage_page.py"
    )


def _refused():
    for module in coverage_page.AREAS:
        for name, fn in coverage_page.functions_of(module).items():
            if coverage_page.status(module, name, fn) == coverage_page.REFUSED:
                yield pytest.param(fn, id=f"{module.__name__}.{name}")


@pytest.mark.parametrize("fn", list(_refused()))
def test_what_is_refused_raises(fn):
    """No function that the page calls refused returns a result that has lost its derivative."""

    def call(x):
        return fn(*(x + k for k in range(max(1, getattr(fn, "nin", 1)))))

    with pytest.raises((ad.AdjointError, TypeError, ValueError)):
        ad.jvp(call, (np.full((2, 2), 0.5),), (np.ones((2, 2)),))


@pytest.mark.parametrize("module", coverage_page.AREAS, ids=lambda m: m.__name__)
def test_lists_name_only_what_exists(module):
    names = coverage_page.by_nature(module.__name__)
    gone = [n for n in names if not hasattr(module, n)]
    assert not gone or np.lib.NumpyVersion(np.__version__) < "2.3.0", gone
