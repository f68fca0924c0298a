"""Exported functions, called from C programs that are compiled and run here."""

import ctypes
import math
import shutil
import subprocess
import sys

import numpy as np
import pytest

import adjoint as ad
from adjoint import tree
from adjoint.api.compile import make_graph
from adjoint.errors import CompileError, InputError
from benchmarks.programs import PROGRAMS, fresh

CC = shutil.which("cc")
pytestmark = pytest.mark.skipif(
    CC is None or sys.platform == "win32", reason="there is no C compiler (cc)"
)


def run(folder, files, body, *options, before=""):
    """Compile and run a C program that links with the object; return the words that it prints."""
    source = folder / "main.c"
    source.write_text(
        f'#include <stdio.h>\n#include <stdlib.h>\n#include "{files.header.name}"\n{before}\n'
        f"int main(void) {{\n{body}\nreturn 0;\n}}\n"
    )
    program = folder / "main"
    vectors = ["-lmvec"] if files.vector_math else []
    command = [CC, "-Wall", "-Werror", "-o", program, source, files.object, *vectors, "-lm"]
    subprocess.run([*map(str, command), *options], check=True, cwd=folder)
    done = subprocess.run([program], check=True, capture_output=True, text=True)
    return done.stdout.split()


def numbers(words):
    return [float(word) for word in words]


# -- numbers and loops -----------------------------------------------------------------------------


def newton(a, n):
    x = a
    for _ in range(n):
        x = x - (x * x - a) / (2 * x)
    return x


def test_a_function_of_numbers(tmp_path):
    files = ad.export(newton, 2.0, 5, path=tmp_path / "newton")
    assert "int newton(double a, int64_t n, double *result);" in files.header.read_text()
    body = 'double y; if (newton(2.0, 6, &y)) return 1; printf("%.17g", y);'
    np.testing.assert_allclose(numbers(run(tmp_path, files, body)), [newton(2.0, 6)], rtol=1e-15)


def walk(x, n):
    u = np.zeros(x.shape)
    s = 0.0
    for i in range(n):
        u[i] = np.sin(x[i]) * s
        s = s + u[i] ** 2 + x[i]
    return s


def test_a_gradient_of_a_loop(tmp_path):
    gradient = ad.grad(walk)
    files = ad.export(gradient, np.ones(20), 20, path=tmp_path / "slope")
    body = """
    double x[12], g[12];
    for (int k = 0; k < 12; k++) x[k] = 0.1 * k;
    for (int times = 0; times < 3; times++)
        if (slope(12, x, 12, g)) { puts(slope_error()); return 1; }
    for (int k = 0; k < 12; k++) printf("%.17g ", g[k]);
    slope_free();
    slope_free();
    if (slope(12, x, 12, g)) return 2;
    """
    want = gradient(0.1 * np.arange(12), 12)
    np.testing.assert_allclose(numbers(run(tmp_path, files, body)), want, rtol=1e-13)


def test_the_shared_library_is_called_by_ctypes(tmp_path):
    files = ad.export(newton, 2.0, 5, path=tmp_path / "root", name="square_root")
    assert files.name == "square_root" and files.library is not None
    call = ctypes.CDLL(str(files.library)).square_root
    call.argtypes = [ctypes.c_double, ctypes.c_int64, ctypes.POINTER(ctypes.c_double)]
    y = ctypes.c_double()
    assert call(9.0, 20, ctypes.byref(y)) == 0 and y.value == 3.0


def test_vector_mathematics(tmp_path):
    files = ad.export(lambda x: np.exp(x) + np.sin(x), np.ones(20), path=tmp_path / "f")
    needs = files.header.read_text()
    assert ("-lmvec" in needs) == bool(files.vector_math)
    body = """
    double x[100], y[100];
    for (int k = 0; k < 100; k++) x[k] = 0.01 * k;
    if (f(100, x, y)) return 1;
    for (int k = 0; k < 100; k++) printf("%.17g ", y[k]);
    """
    x = 0.01 * np.arange(100)
    got = numbers(run(tmp_path, files, body))
    np.testing.assert_allclose(got, np.exp(x) + np.sin(x), rtol=2e-15)


# -- BLAS ------------------------------------------------------------------------------------------

DGEMM = """
void dgemm_(const char *ta, const char *tb, const int *m, const int *n, const int *k,
            const double *alpha, const double *a, const int *lda, const double *b,
            const int *ldb, const double *beta, double *c, const int *ldc) {
    for (int j = 0; j < *n; j++)
        for (int i = 0; i < *m; i++) {
            double s = 0;
            for (int p = 0; p < *k; p++)
                s += (*ta == 'N' ? a[i + p * *lda] : a[p + i * *lda])
                   * (*tb == 'N' ? b[p + j * *ldb] : b[j + p * *ldb]);
            double old = *beta == 0 ? 0 : *beta * c[i + j * *ldc];
            c[i + j * *ldc] = *alpha * s + old;
        }
    calls++;
}
"""


def test_blas_is_linked_under_its_usual_names(tmp_path):
    def product(a, b):
        return np.tanh(a @ b) @ b.T

    files = ad.export(product, np.ones((64, 70)), np.ones((70, 80)), path=tmp_path / "product")
    assert files.blas == ("dgemm_",) and "dgemm_" in files.header.read_text()
    body = """
    static double a[64 * 70], b[70 * 80], c[64 * 70];
    for (int k = 0; k < 64 * 70; k++) a[k] = 0.001 * (k % 97);
    for (int k = 0; k < 70 * 80; k++) b[k] = 0.002 * (k % 89);
    if (product(64, 70, 80, a, b, c)) { puts(product_error()); return 1; }
    printf("%d %.17g %.17g ", calls > 0, c[0], c[64 * 70 - 1]);
    """
    a = 0.001 * (np.arange(64 * 70) % 97).reshape(64, 70)
    b = 0.002 * (np.arange(70 * 80) % 89).reshape(70, 80)
    want = product(a, b)
    got = numbers(run(tmp_path, files, body, before=f"static int calls;{DGEMM}"))
    np.testing.assert_allclose(got, [1, want[0, 0], want[-1, -1]], rtol=1e-12)


# -- errors ----------------------------------------------------------------------------------------


def pick(x, k):
    return x[k] * 2.0


def test_an_error_is_a_status_and_a_message(tmp_path):
    files = ad.export(pick, np.ones(20), 3, path=tmp_path / "pick")
    body = """
    double x[12] = {1, 2, 3}, y = -1;
    int s = pick(12, x, 2, &y);
    printf("%d [%s] %g\\n", s, pick_error(), y);
    s = pick(12, x, 12, &y);
    printf("%d [%s]\\n", s, pick_error());
    s = pick(8, x, 2, &y);
    printf("%d [%s]\\n", s, pick_error());
    s = pick(12, x, 1, &y);
    printf("%d %g", s, y);
    """
    text = " ".join(run(tmp_path, files, body))
    assert text.startswith("0 [] 6 1 [IndexError: index 12 is out of bounds for axis 0 with size ")
    assert "operation getitem, line" in text and "test_export.py" in text
    assert "2 [n0 is 8: the code is for lengths of at least 9]" in text
    assert text.endswith("0 4")


def test_errors_of_the_program(tmp_path):
    def root(x):
        if x < 0.0:
            raise ValueError("no root of 100% of the numbers")
        return math.sqrt(x)

    files = ad.export(root, 2.0, path=tmp_path / "root")
    body = 'double y; int s = root(-1.0, &y); printf("%d %s", s, root_error());'
    text = " ".join(run(tmp_path, files, body))
    assert text.startswith("1 ValueError: no root of 100% of the numbers")


def test_lengths_that_have_to_differ(tmp_path):
    files = ad.export(
        lambda x, y: np.sum(x) * np.sum(y), np.ones(20), np.ones(30), path=tmp_path / "f"
    )
    body = 'double x[20] = {0}, r; int s = f(20, 20, x, x, &r); printf("%d %s", s, f_error());'
    text = " ".join(run(tmp_path, files, body))
    assert text == "2 n0 and n1 are 20: the code is for lengths that differ"


def test_what_is_taken_for_granted_of_several_lengths(tmp_path):
    def f(x, y):
        return np.sum(x[: len(y)] * y)

    files = ad.export(f, np.ones(30), np.ones(20), path=tmp_path / "f")
    body = """
    double x[20] = {0}, r;
    int s = f(12, 18, x, x, &r);
    printf("%d %s", s, f_error());
    """
    text = " ".join(run(tmp_path, files, body))
    assert text == "2 n0 - n1 is -6: the code is for n0 - n1 > 0"


def test_what_is_taken_for_granted_of_lengths(tmp_path):
    files = ad.export(lambda x: np.sum(x[10:12]), np.ones(20), path=tmp_path / "f")
    body = """
    double x[20] = {0}, r;
    int first = f(13, x, &r), second = f(11, x, &r);
    printf("%d %d %s", first, second, f_error());
    """
    text = " ".join(run(tmp_path, files, body))
    assert text == "0 2 n0 is 11: the code is for lengths of at least 13"


# -- arguments and results -------------------------------------------------------------------------


def test_arrays_of_a_shape_that_turns_out(tmp_path):
    def positive(x):
        return x[x > 0], np.sum(x)

    files = ad.export(positive, np.ones(20), path=tmp_path / "positive")
    body = """
    double x[10] = {-1, 2, -3, 4, -5, 6, 0, 0, 0, 8}, *y, s;
    int64_t shape[1];
    if (positive(10, x, &y, shape, &s)) return 1;
    printf("%d %g %g %g %g %g", (int)shape[0], y[0], y[1], y[2], y[3], s);
    free(y);
    """
    assert numbers(run(tmp_path, files, body)) == [4, 2, 4, 6, 8, 11]


def test_arguments_that_are_changed(tmp_path):
    def step(u, f):
        for i in range(1, len(u) - 1):
            u[i] += 0.5 * f[i] * (u[i - 1] + u[i + 1])
        return np.sum(u)

    files = ad.export(step, np.ones(20), np.ones(20), path=tmp_path / "step")
    assert "double *u, const double *f" in files.header.read_text()
    body = """
    double u[20], f[20], s;
    for (int k = 0; k < 20; k++) { u[k] = k; f[k] = 0.1 * k; }
    if (step(20, u, f, &s)) return 1;
    printf("%.17g ", s);
    for (int k = 0; k < 20; k++) printf("%.17g ", u[k]);
    """
    u = np.arange(20.0)
    total = step(u, 0.1 * np.arange(20))
    np.testing.assert_allclose(numbers(run(tmp_path, files, body)), [total, *u], rtol=1e-14)


def test_trees_of_arguments_and_results(tmp_path):
    def layer(params, x):
        return {"y": np.tanh(params["w"] @ x + params["b"][0]), "count": 3, "on": True}

    params = {"w": np.ones((2, 3)), "b": [0.5]}
    files = ad.export(layer, params, np.ones(3), path=tmp_path / "layer")
    names = "const double *params_w, const double *x, int64_t *result_count, bool *result_on"
    text = files.header.read_text()
    for part in names.split(", "):
        assert part in text
    body = """
    double w[6] = {1, 2, 3, 4, 5, 6}, x[3] = {0.1, 0.2, 0.3}, y[2];
    int64_t count; bool on;
    if (layer(0.5, w, x, &count, &on, y)) return 1;
    printf("%.17g %.17g %d %d", y[0], y[1], (int)count, on);
    """
    want = layer({"w": np.arange(1.0, 7.0).reshape(2, 3), "b": [0.5]}, np.array([0.1, 0.2, 0.3]))[
        "y"
    ]
    np.testing.assert_allclose(numbers(run(tmp_path, files, body)), [*want, 3, 1], rtol=1e-15)


def test_kinds_of_numbers(tmp_path):
    def mixed(z, c, flags, small, f):
        return z * c, np.where(flags, small, -small), f + np.float32(1), np.any(flags)

    args = (np.ones(3, complex), 1j, np.ones(3, bool), np.ones(3, np.int8), np.float32(2))
    files = ad.export(mixed, *args, path=tmp_path / "mixed")
    body = """
    double z[6] = {1, 2, 3, 4, 5, 6}, c[2] = {0, 1}, p[6];
    bool flags[3] = {true, false, true}, any;
    int8_t small[3] = {1, 2, 3}, q[3];
    float r;
    if (mixed(z, c, flags, small, 1.5f, p, q, &r, &any)) return 1;
    for (int k = 0; k < 6; k++) printf("%g ", p[k]);
    printf("%d %d %d %g %d", q[0], q[1], q[2], r, any);
    """
    got = numbers(run(tmp_path, files, body))
    assert got == [-2, 1, -4, 3, -6, 5, 1, -2, 3, 2.5, 1]


def test_large_constants_are_in_the_object(tmp_path):
    def f(x):
        table = np.array([float(k * k) for k in range(300)])
        return np.sum(table[:200] * x)

    files = ad.export(f, np.ones(200), path=tmp_path / "f")
    body = """
    double x[200], y;
    for (int k = 0; k < 200; k++) x[k] = k % 7;
    if (f(200, x, &y)) return 1;
    printf("%.17g", y);
    """
    assert numbers(run(tmp_path, files, body)) == [f(np.arange(200.0) % 7)]


def test_recursion(tmp_path):
    def fibonacci(n):
        return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)

    files = ad.export(fibonacci, 20, path=tmp_path / "fib")
    body = 'int64_t r; if (fib(20, &r)) return 1; printf("%d", (int)r);'
    assert run(tmp_path, files, body) == ["6765"]


def test_threads(tmp_path):
    files = ad.export(ad.grad(walk), np.ones(20), 20, path=tmp_path / "slope")
    before = """
    #include <pthread.h>
    static double x[1000], want[1000];
    static void *work(void *wrong) {
        double *g = malloc(sizeof x);
        for (int times = 0; times < 200; times++) {
            if (times % 3 == 0) {  /* an error in between */
                if (slope(1000, x, 1001, g) != 1 || !*slope_error()) ++*(int *)wrong;
            }
            if (slope(1000, x, 1000, g)) ++*(int *)wrong;
            for (int k = 0; k < 1000; k++) if (g[k] != want[k]) ++*(int *)wrong;
        }
        slope_free();
        free(g);
        return NULL;
    }
    """
    body = """
    for (int k = 0; k < 1000; k++) x[k] = 1e-6 * k;
    if (slope(1000, x, 1000, want)) return 1;
    pthread_t threads[4];
    int wrong[4] = {0};
    for (int k = 0; k < 4; k++) pthread_create(&threads[k], NULL, work, &wrong[k]);
    for (int k = 0; k < 4; k++) pthread_join(threads[k], NULL);
    printf("%d", wrong[0] + wrong[1] + wrong[2] + wrong[3]);
    """
    assert run(tmp_path, files, body, "-lpthread", before=before) == ["0"]


def test_two_objects_in_one_program(tmp_path):
    first = ad.export(newton, 2.0, 5, path=tmp_path / "newton")
    second = ad.export(pick, np.ones(20), 3, path=tmp_path / "pick")
    body = """
    double x[12] = {0}, y, z;
    int s = pick(12, x, 99, &z);
    printf("%d %d [%s]", newton(9.0, 20, &y), s, newton_error());
    """
    include = f'#include "{second.header.name}"'
    assert run(tmp_path, first, body, str(second.object), before=include) == ["0", "1", "[]"]


def test_the_header_is_one_of_cpp_too(tmp_path):
    compiler = shutil.which("c++")
    if compiler is None:
        pytest.skip("there is no C++ compiler (c++)")
    files = ad.export(newton, 2.0, 5, path=tmp_path / "newton")
    source = tmp_path / "main.cpp"
    source.write_text(
        '#include "newton.h"\nint main() { double y; return newton(4.0, 9, &y) || y != 2; }\n'
    )
    program = tmp_path / "main"
    command = [compiler, "-o", program, source, files.object, "-lm"]
    subprocess.run(list(map(str, command)), check=True)
    subprocess.run([program], check=True)


# -- whole programs --------------------------------------------------------------------------------

SUITE = ("adi", "atax", "cholesky_elements", "deriche", "durbin", "seidel_2d", "softmax", "spmv")


@pytest.mark.parametrize("name", SUITE)
def test_gradients_of_programs(tmp_path, name):
    program = PROGRAMS[name]
    weights = tuple(map(np.asarray, program.weights("tiny", 0)))
    args = program.inputs("tiny", 0)

    def loss(weights, *args):
        total = 0.0
        result = program.function(*args)
        for w, y in zip(weights, result if isinstance(result, tuple) else (result,)):
            total = total + np.sum(w * y)
        return total

    gradient = ad.value_and_grad(loss, argnums=tuple(k + 1 for k in program.differentiated))
    given = (weights, *fresh(args))
    files = ad.export(gradient, *given, path=tmp_path / "gradient")
    want = tree.flatten(gradient(*given))[0]
    leaves, spec = tree.flatten((given, {}))
    graph, _ = make_graph(gradient, leaves, lambda values: tree.unflatten(spec, values))
    values = [leaves[k].shape[axis] for k, axis in graph.lengths]
    values += [leaves[k] for k in graph.arguments]
    results = [np.full(np.shape(x), np.nan) for x in want]
    kept = [np.ascontiguousarray(x) if isinstance(x, np.ndarray) else x for x in values]
    passed = [
        ctypes.c_void_p(x.ctypes.data) if isinstance(x, np.ndarray)
        else ctypes.c_double(x) if isinstance(x, float) else ctypes.c_int64(x)
        for x in (*kept, *results)
    ]  # fmt: skip
    assert ctypes.CDLL(str(files.library)).gradient(*passed) == 0
    for got, expected in zip(results, want, strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-11)


# -- what is refused -------------------------------------------------------------------------------

RATE = 0.5


class Counter:
    total = 0.0


COUNTER = Counter()


def counting(x):
    COUNTER.total = x * 2.0
    return x


@pytest.mark.parametrize(
    ("f", "args", "message"),
    [
        (lambda x: np.linalg.eigh(x)[0], (np.eye(12),), "eigh at .*test_export.py:"),
        (lambda x: x * RATE, (1.0,), "reads the variable 'RATE' at each call"),
        (counting, (1.0,), "assigns to the attribute 'total' of a Counter"),
        (lambda x: "text", (1.0,), "its result is str, which C does not have"),
        (lambda x: x + np.longdouble(1), (np.ones(20, np.longdouble),), "C has no numbers"),
    ],
)
def test_what_needs_python_is_refused(tmp_path, f, args, message):
    with pytest.raises(CompileError, match=message):
        ad.export(f, *args, path=tmp_path / "f")
    assert not list(tmp_path.iterdir())


def test_printing_is_refused(tmp_path):
    def shows(x):
        print(x)
        return x

    with pytest.raises(CompileError, match="effect at .*test_export.py:"):
        ad.export(shows, 1.0, path=tmp_path / "f")


@pytest.mark.parametrize("name", ["while", "3d", "a b", ""])
def test_names_that_c_does_not_have(tmp_path, name):
    with pytest.raises(InputError):
        ad.export(newton, 2.0, 5, path=tmp_path / name if name else "", name=name or None)


def test_without_a_compiler_there_is_no_library(tmp_path, monkeypatch):
    monkeypatch.setenv("CC", "no-such-compiler")
    files = ad.export(newton, 2.0, 5, path=tmp_path / "newton")
    assert files.library is None and files.object.exists()


def test_nothing_of_python_is_in_the_object(tmp_path):
    files = ad.export(ad.grad(walk), np.ones(20), 20, path=tmp_path / "slope")
    code = files.object.read_bytes()
    assert b"Py" not in code.replace(b".py", b"") and b"numpy" not in code
