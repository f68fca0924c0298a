"""The page that ``adjoint tour`` writes: one HTML file with its plots inside."""

from __future__ import annotations

import base64
import html
import io
import platform
import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from adjoint._version import __version__
from adjoint.explain.expressions import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from adjoint.cli.tour import Classifier, Findings, Simulation

__all__ = ["page"]

INK, MUTED, FAINT = "#1c2430", "#657082", "#d9dee6"
BLUE, ORANGE, TEAL, ROSE = "#2f6fde", "#e07a1f", "#12908a", "#c93f6b"
PARAMETER_COLOURS = (BLUE, ORANGE, TEAL, ROSE)


def page(findings: Findings, seconds: float) -> str:
    """Return the report as HTML.

    Parameters
    ----------
    findings : Findings
    seconds : float
        What the tour took before this.
    """
    import matplotlib

    with matplotlib.rc_context(_STYLE):
        parts = [
            _header(findings, seconds),
            _quadratic(findings),
            _simulation(findings.simulation),
            _classifier(findings.classifier),
            _footer(findings),
        ]
    body = "\n".join(parts)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Adjoint: the tour</title>\n<style>{_CSS}</style>\n</head>\n"
        f"<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


_STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.size": 10,
    "text.color": INK,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": MUTED,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#edf0f4",
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "svg.hashsalt": "adjoint",
}

_CSS = """
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { margin: 0; background: #f4f6f9; color: #1c2430;
       font: 16px/1.6 system-ui, -apple-system, "Segoe UI", Roboto, Helvetica, Arial, sans-serif; }
main { max-width: 60rem; margin: 0 auto; padding: 3rem 1.25rem 4rem; }
h1 { font-size: 2.1rem; line-height: 1.2; margin: 0 0 .4rem; letter-spacing: -.02em; }
h2 { font-size: 1.3rem; margin: 0 0 .6rem; letter-spacing: -.01em; }
h2 small { color: #2f6fde; font-weight: 600; margin-right: .5rem; }
p { margin: 0 0 1rem; max-width: 44rem; }
.lead { color: #4a5565; font-size: 1.08rem; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(11rem, 1fr)); gap: 1rem;
         margin: 1.8rem 0 2.2rem; }
.card { background: #fff; border: 1px solid #e3e8ef; border-radius: 12px; padding: 1rem 1.1rem; }
.card b { display: block; font-size: 1.65rem; line-height: 1.2; letter-spacing: -.02em; }
.card span { color: #566273; font-size: .88rem; }
section { background: #fff; border: 1px solid #e3e8ef; border-radius: 14px;
          padding: 1.7rem 1.8rem; margin: 0 0 1.4rem; }
figure { margin: 1.2rem 0 .4rem; }
figure img { display: block; width: 100%; height: auto; }
figcaption { color: #566273; font-size: .9rem; margin-top: .5rem; max-width: 46rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: .6rem 0 1rem;
        font-size: .95rem; }
th, td { padding: .32rem 1.1rem .32rem .2rem; text-align: left; white-space: nowrap; }
th { color: #566273; font-weight: 600; border-bottom: 2px solid #d9dee6; }
tbody + tbody tr:first-child td { border-top: 1px solid #d9dee6; }
td.n, th.n { text-align: right; }
pre { background: #f6f8fb; border: 1px solid #e3e8ef; border-radius: 10px; padding: 1rem 1.1rem;
      overflow-x: auto; font: .84rem/1.55 ui-monospace, SFMono-Regular, Menlo, monospace; }
code { font: .9em ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
details summary { cursor: pointer; color: #2359b8; font-weight: 600; margin: .6rem 0; }
footer { color: #566273; font-size: .88rem; padding: .4rem .2rem; }
.two { display: grid; grid-template-columns: minmax(0, 1fr) minmax(0, 20rem); gap: 1.6rem;
       align-items: center; }
@media (max-width: 44rem) { .two { grid-template-columns: 1fr; } section { padding: 1.2rem; } }
@media print { body { background: #fff; } section, .card { break-inside: avoid; } }
"""


# ------------------------------------------------------------------------------------------ pieces


def _figure(width: float, height: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def _image(figure: Figure, text: str, caption: str = "") -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    data = base64.b64encode(buffer.getvalue()).decode()
    below = f"<figcaption>{caption}</figcaption>" if caption else ""
    alt = html.escape(text, quote=True)
    return f'<figure><img alt="{alt}" src="data:image/svg+xml;base64,{data}">{below}</figure>'


def _card(value: str, text: str) -> str:
    return f'<div class="card"><b>{html.escape(value)}</b><span>{html.escape(text)}</span></div>'


def _source(file: Any, summary: str) -> str:
    text = html.escape(file.read_text(encoding="utf-8").rstrip())
    return f"<details><summary>{summary}</summary><pre>{text}</pre></details>"


def _power_of_ten(x: float) -> str:
    """Return an error as a bound: 3e-11 as 10⁻¹⁰."""
    if x <= 0:
        return "the last bit"
    digits = str(int(np.ceil(np.log10(x)))).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"10{digits}"


def _header(findings: Findings, seconds: float) -> str:
    simulation, classifier = findings.simulation, findings.classifier
    cards = [
        _card(f"{classifier.accuracy:.1%}", "test accuracy on handwritten digits"),
        _card(
            f"{len(classifier.losses):,}", f"gradients by {classifier.parameters:,} weights each"
        ),
        _card(f"< {_power_of_ten(simulation.error)}", "simulation: gradient against differences"),
        _card(f"{seconds:.0f} s", "for everything on this page"),
    ]
    return (
        "<header><h1>Derivatives of programs as they are</h1>\n"
        '<p class="lead">Three ordinary NumPy programs were run and differentiated by '
        "<b>adjoint</b>. None of them imports it, and none was changed for it.</p></header>\n"
        f'<div class="cards">{"".join(cards)}</div>'
    )


def _footer(findings: Findings) -> str:
    quick = " --quick" if findings.quick else ""
    versions = (
        f"adjoint {__version__} · NumPy {np.__version__} · Python {platform.python_version()} · "
        f"{sys.platform}"
    )
    return (
        f"<footer>Made by <code>adjoint tour --seed {findings.seed}{quick}</code> with "
        f"{html.escape(versions)}. The digits are the test set of E. Alpaydin and C. Kaynak, "
        "<i>Optical Recognition of Handwritten Digits</i>, UCI Machine Learning Repository, as "
        "scikit-learn ships it.</footer>"
    )


# ------------------------------------------------------------------------------------ the quadratic


def _quadratic(findings: Findings) -> str:
    found = findings.quadratic
    x, slope, value = 4.0, float(found.rows[0].adjoint), float(found.value)
    figure = _figure(3.4, 2.9)
    axes = figure.subplots()
    grid = np.linspace(-1.5, 6.0, 200)
    axes.plot(grid, grid**2 - 3 * grid - 2, color=BLUE)
    near = np.array([x - 1.8, x + 1.6])
    axes.plot(near, value + slope * (near - x), color=ORANGE, linewidth=1.5)
    axes.plot([x], [value], "o", color=ORANGE, markersize=6)
    axes.annotate(f"slope {slope:g}", (x, value), (x + 0.25, value - 2.2), color=ORANGE)
    axes.set_title("f and its tangent at 4")
    plot = _image(figure, f"The parabola f and its tangent at x = 4, with slope {slope:g}.")
    return (
        "<section><h2><small>1</small>f(x) = x² − 3x − 2, in both modes</h2>\n"
        "<p>Each line is one elementary step of the program at x = 4. <b>Forward mode</b> goes "
        "down: the tangent v̇ says how a step changes with x. <b>Reverse mode</b> goes up: the "
        "adjoint v̄ says how the result changes with a step. They meet in "
        f"f′(4) = <b>{number(slope)}</b>.</p>\n"
        f'<div class="two"><div class="scroll">{found.table(format="html")}</div>{plot}</div>'
        "</section>"
    )


# ----------------------------------------------------------------------------------- the simulation


def _simulation(found: Simulation) -> str:
    from adjoint.cli.tour import THETA, THETA_NAMES

    figure = _figure(9.0, 5.6)
    top, left, right = figure.subplot_mosaic([["top", "top"], ["left", "right"]]).values()
    top.plot(found.years, found.populations[:, 0], color=TEAL, label="prey")
    top.plot(found.years, found.populations[:, 1], color=ROSE, label="predators")
    top.axhline(20.0, color=MUTED, linewidth=0.9, linestyle=(0, (4, 3)))
    top.annotate("hunted above this", (found.years[-1], 20.0), (-4, 4), color=MUTED, fontsize=8.5,
                 textcoords="offset points", ha="right")  # fmt: skip
    top.set_title("The simulation")
    top.set_xlabel("years")
    top.legend(ncols=2, loc="upper left")
    top.set_ylim(0, 1.25 * float(found.populations.max()))
    for axes, k, name in ((left, 0, "prey"), (right, 1, "predators")):
        for j, parameter in enumerate(THETA_NAMES):
            # Per cent of the parameter: the four become comparable.
            axes.plot(
                found.years,
                0.01 * THETA[j] * found.sensitivities[j, :, k],
                color=PARAMETER_COLOURS[j],
                label=parameter,
                linewidth=1.5,
            )
        axes.axhline(0.0, color=FAINT, linewidth=1)
        axes.set_title(f"{name.capitalize()}: change per 1 % of a parameter")
        axes.set_xlabel("years")
    left.legend(ncols=2, fontsize=9)
    picture = _image(
        figure,
        "Prey and predators over time, and their sensitivities to the four parameters.",
        "Below: the derivative of every point of the curves with respect to each parameter, exact "
        "to rounding, in one forward sweep a parameter.",
    )
    rows = "".join(
        f"<tr><td>{name}</td><td class='n'>{THETA[k]:g}</td>"
        f"<td class='n'>{found.gradient[k]:.8f}</td><td class='n'>{found.forward[k]:.8f}</td>"
        f"<td class='n'>{found.differences[k]:.8f}</td></tr>"
        for k, name in enumerate(THETA_NAMES)
    )
    return (
        "<section><h2><small>2</small>A simulation that overwrites its state</h2>\n"
        "<p>Prey and predators, and a hunter who steps in when there is too much prey. The program "
        f"fills an array in a loop of {len(found.years) - 1} steps, adds to it in place and "
        "branches on what it finds there. It is differentiated as it stands.</p>\n"
        f"{picture}\n"
        "<p>The mean number of predators is "
        f"<b>{found.value:.4f}</b>; one reverse sweep gives its derivative by all four parameters "
        "at once.</p>\n"
        '<div class="scroll"><table><thead><tr><th>parameter</th><th class="n">value</th>'
        '<th class="n">reverse mode</th><th class="n">forward mode</th>'
        f'<th class="n">differences</th></tr></thead><tbody>{rows}</tbody></table></div>\n'
        f"{_source(found.file, 'The program, all of it')}</section>"
    )


# ----------------------------------------------------------------------------------- the classifier


def _classifier(found: Classifier) -> str:
    correct = int(np.sum(found.predictions == found.test_labels))
    total = len(found.test_labels)
    return (
        "<section><h2><small>3</small>Handwritten digits, learnt by gradient descent</h2>\n"
        f"<p>A network with one hidden layer, written in plain NumPy, learns from "
        f"{found.train_size:,} images of 8&nbsp;×&nbsp;8 pixels. On {total} images that it has "
        f"never seen it is right about <b>{correct}</b>: <b>{found.accuracy:.1%}</b>.</p>\n"
        f"{_learning(found)}\n{_mistakes(found)}\n{_pixels(found)}\n"
        f"{_source(found.file, 'The program, all of it')}</section>"
    )


def _learning(found: Classifier) -> str:
    figure = _figure(9.0, 3.5)
    left, right = figure.subplots(1, 2, width_ratios=[1.35, 1])
    per_epoch = len(found.losses) / len(found.accuracies)
    epochs = np.arange(1, len(found.losses) + 1) / per_epoch
    left.semilogy(epochs, found.losses, color=BLUE, linewidth=0.6, alpha=0.35)
    means = np.array(found.losses).reshape(len(found.accuracies), -1).mean(axis=1)
    centres = np.arange(len(means)) + 0.5
    left.semilogy(centres, means, color=BLUE, label="loss, mean of an epoch")
    left.set_xlabel("epoch")
    left.set_title("Loss and test accuracy")
    accuracy = left.twinx()
    accuracy.plot(np.arange(1, len(means) + 1), 100 * np.array(found.accuracies), color=ORANGE,
                  label="test accuracy, %")  # fmt: skip
    accuracy.grid(False)
    accuracy.set_ylim(min(80.0, 100 * min(found.accuracies)), 100)
    handles = [*left.get_lines()[1:], *accuracy.get_lines()]
    left.legend(handles=handles, loc="lower left", fontsize=9)
    _confusion(right, found)
    return _image(figure, "Loss and accuracy by epoch, and the confusion matrix.")


def _confusion(axes: Axes, found: Classifier) -> None:
    counts = np.zeros((10, 10), int)
    np.add.at(counts, (found.test_labels, found.predictions), 1)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares**0.5, cmap="Blues", vmin=0, vmax=1.15)
    for i, j in np.argwhere(counts):
        dark = shares[i, j] > 0.4
        axes.text(j, i, str(counts[i, j]), ha="center", va="center", fontsize=8,
                  color="white" if dark else INK)  # fmt: skip
    axes.set_xticks(range(10))
    axes.set_yticks(range(10))
    axes.grid(False)
    axes.spines[:].set_visible(False)
    axes.set_xlabel("answer")
    axes.set_ylabel("digit")
    axes.set_title("Test images by digit and answer")


def _mistakes(found: Classifier) -> str:
    wrong = np.flatnonzero(found.predictions != found.test_labels)[:10]
    if not len(wrong):
        return ""
    figure = _figure(9.0, 1.45)
    for axes, k in zip(np.ravel(figure.subplots(1, 10)), [*wrong, *[None] * 10]):
        axes.axis("off")
        if k is not None:
            axes.imshow(found.test_images[k], cmap="gray_r", vmin=0, vmax=1)
            title = f"{found.test_labels[k]}, not {found.predictions[k]}"
            axes.set_title(title, fontsize=9, loc="center", pad=4, fontweight="normal")
    return _image(figure, "Test images with wrong answers.", "The images that it gets wrong.")


def _pixels(found: Classifier) -> str:
    figure = _figure(9.0, 1.45)
    panels = np.ravel(figure.subplots(1, 10))
    for axes, (image, digit, pixels) in zip(panels, found.saliency, strict=True):
        axes.axis("off")
        most = float(np.max(np.abs(pixels))) or 1.0
        axes.imshow(pixels, cmap="RdBu", vmin=-most, vmax=most)
        axes.contour(image, levels=[0.45 * float(image.max())], colors=INK, linewidths=0.8)
        axes.set_title(str(digit), fontsize=9, loc="center", pad=4, fontweight="normal")
    return _image(
        figure,
        "For each digit, the gradient of its score by pixel.",
        "The other gradient: of a digit's score with respect to the <i>image</i>, on average over "
        "its test images. Ink on blue speaks for the digit, ink on red against it; the outline is "
        "the average image.",
    )
