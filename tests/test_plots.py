"""Figures: that they are pictures of what they should show, whole or not at all, and leave the process as it was."""

import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from PIL import Image

import plots
from command import InputError
from sleepstage import STAGES, Stage

random = np.random.default_rng(0)
EXPERT = np.repeat([0, 1, 2, 3, 2, 4, 0], [20, 5, 40, 60, 30, 25, 10])
MODEL = np.where(random.random(len(EXPERT)) < 0.85, EXPERT, random.integers(0, 5, len(EXPERT)))
PROBABILITIES = random.dirichlet(np.ones(5), len(EXPERT))
CONFUSION = np.arange(25).reshape(5, 5) * [[1], [1], [1000], [1], [0]]  # the expert never saw REM


def texts(svg: Path) -> list[str]:
    return [node.text for node in ElementTree.parse(svg).iter("{http://www.w3.org/2000/svg}text")]


def size_in_mm(picture: Path) -> tuple[float, float]:
    with Image.open(picture) as image:
        return tuple(pixels / image.info["dpi"][0] * 25.4 for pixels in image.size)


# ---- the confusion matrix ----


def test_confusion_picture_fits_a_column_of_a_journal(tmp_path):
    plots.confusion_picture(tmp_path / "confusion.png", CONFUSION, "title")
    width, height = size_in_mm(tmp_path / "confusion.png")
    assert 80 < width < 90
    assert 80 < height < 100


def test_confusion_picture_names_shares_and_counts(tmp_path):
    plots.confusion_picture(tmp_path / "confusion.svg", CONFUSION, "seven folds")
    shown = texts(tmp_path / "confusion.svg")
    assert "seven folds" in shown
    for text in ("Expert", "Model", "W", "N1", "N2", "N3", "REM"):
        assert text in shown
    assert "40.0 %" in shown  # W, as REM: 4 of 10
    assert "10,000" in shown  # N2, as W
    assert shown.count("–") == 5  # the row of REM has no shares


# ---- the hypnogram ----


def test_hypnogram_picture_fits_two_columns_of_a_journal(tmp_path):
    plots.hypnogram_picture(tmp_path / "night.png", EXPERT, MODEL, PROBABILITIES, "SC4001E0")
    width, height = size_in_mm(tmp_path / "night.png")
    assert 170 < width < 185
    assert height < 130


def test_hypnogram_picture_shows_both_and_the_probabilities(tmp_path):
    plots.hypnogram_picture(tmp_path / "night.svg", EXPERT, MODEL, PROBABILITIES, "SC4001E0")
    shown = texts(tmp_path / "night.svg")
    for text in ("SC4001E0", "Expert", "Model", "Differ", "Probability", "Time (hours)"):
        assert shown.count(text) == 1
    assert shown.count("REM") == 3  # two axes and the legend


def test_hypnodensity_is_left_out_without_probabilities(tmp_path):
    plots.hypnogram_picture(tmp_path / "night.svg", EXPERT, MODEL)
    assert "Probability" not in texts(tmp_path / "night.svg")


def drawn_hypnogram(stages: list[int]):
    axes = plots.new_figure(7, 2).add_subplot()
    plots.draw_hypnogram(axes, np.arange(len(stages) + 1) / 120, np.array(stages), "Expert")
    return axes


def test_stages_stand_in_the_clinicians_order():
    axes = drawn_hypnogram([0, 4, 1, 2, 3])
    assert [label.get_text() for label in axes.get_yticklabels()] == ["W", "REM", "N1", "N2", "N3"]
    low, high = axes.get_ylim()
    assert low > high, "the first stage is the top"
    np.testing.assert_array_equal(axes.patches[0].get_data().values, [0, 1, 2, 3, 4])


def test_an_epoch_without_a_stage_breaks_the_line():
    axes = drawn_hypnogram([0, -1, 2])
    np.testing.assert_array_equal(axes.patches[0].get_data().values, [0, np.nan, 3])


def test_every_run_of_rem_is_marked():
    axes = drawn_hypnogram([4, 4, 0, 4, 2, 4])
    (bars,) = axes.collections
    in_epochs = [[round(x * 120) for x, _ in segment] for segment in bars.get_segments()]
    assert in_epochs == [[0, 2], [3, 4], [5, 6]]


def test_every_panel_shows_its_own_hypnogram(tmp_path, monkeypatch):
    figures = []
    monkeypatch.setattr(plots, "save", lambda figure, path: figures.append(figure))
    plots.hypnogram_picture(tmp_path / "night.png", EXPERT, MODEL)
    expert, differ, model = (axes.patches[0].get_data() for axes in figures[0].axes)
    level = np.array([0, 2, 3, 4, 1])  # of W, N1, N2, N3, REM from the top
    np.testing.assert_array_equal(expert.values, level[EXPERT])
    np.testing.assert_array_equal(model.values, level[MODEL])
    np.testing.assert_array_equal(differ.values, EXPERT != MODEL)
    assert expert.edges[-1] == len(EXPERT) * 30 / 3600  # hours


def test_disagreement_covers_the_epochs_that_differ():
    axes = plots.new_figure(7, 1).add_subplot()
    plots.draw_strip(axes, np.arange(4) / 120, np.array([True, False, True]), "Differ")
    np.testing.assert_array_equal(axes.patches[0].get_data().values, [1, 0, 1])


def test_hypnodensity_stacks_up_to_one():
    axes = plots.new_figure(7, 1).add_subplot()
    plots.draw_hypnodensity(axes, np.arange(len(EXPERT) + 1) / 120, PROBABILITIES)
    deepest, *_, top = (patch.get_data() for patch in axes.patches)
    np.testing.assert_allclose(deepest.values, PROBABILITIES[:, Stage.N3])
    np.testing.assert_allclose(top.values, 1)
    np.testing.assert_allclose(top.values - top.baseline, PROBABILITIES[:, Stage.W])
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == ["W", "REM", "N1", "N2", "N3"]
    hatched = [patch.get_label() for patch in axes.patches if patch.get_hatch()]
    assert hatched == ["REM"], "in print without colour it is as grey as N2"


@pytest.mark.parametrize("n_epochs", [1, 2, 3000])
def test_nights_of_any_length_are_drawn(tmp_path, n_epochs):
    stages = np.arange(n_epochs) % 5
    plots.hypnogram_picture(tmp_path / "night.png", stages, stages, np.eye(5)[stages])
    assert (tmp_path / "night.png").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("expert", "model", "probabilities"),
    [(EXPERT, MODEL[:-1], None), ([], [], None), (EXPERT, MODEL, PROBABILITIES[:-1]), (EXPERT, MODEL, PROBABILITIES.T)],
)
def test_arrays_of_other_epochs_are_refused(tmp_path, expert, model, probabilities):
    with pytest.raises(ValueError, match="shape"):
        plots.hypnogram_picture(tmp_path / "night.png", expert, model, probabilities)
    assert not list(tmp_path.iterdir())


def test_neighbouring_colours_differ_without_colour():
    grey = [np.dot(to_rgb(plots.COLOURS[stage]), (0.299, 0.587, 0.114)) for stage in plots.FROM_THE_TOP]
    assert np.abs(np.diff(grey)).min() > 0.2
    assert set(plots.FROM_THE_TOP) == set(plots.COLOURS) == set(STAGES)


# ---- files and the process ----


def test_a_picture_that_cannot_be_written_is_the_users_error(tmp_path):
    with pytest.raises(InputError, match="cannot write"):
        plots.confusion_picture(tmp_path / "no such folder" / "confusion.png", CONFUSION)


def test_same_night_same_picture(tmp_path):
    for name in ("one.png", "two.png"):
        plots.hypnogram_picture(tmp_path / name, EXPERT, MODEL, PROBABILITIES)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
    assert len(list(tmp_path.iterdir())) == 2


def test_drawing_changes_no_settings(tmp_path):
    before = dict(mpl.rcParams)
    plots.confusion_picture(tmp_path / "confusion.png", CONFUSION)
    assert dict(mpl.rcParams) == before


def test_importing_plots_imports_no_matplotlib_and_drawing_no_pyplot(tmp_path):
    program = f"""
import sys
import plots
assert "matplotlib" not in sys.modules
from pathlib import Path
plots.confusion_picture(Path({str(tmp_path / "confusion.png")!r}), [[1] * 5] * 5)
assert "matplotlib.pyplot" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(plots.__file__).parent)
