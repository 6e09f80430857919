"""Figures: that they are pictures of what they should show, whole or not at all, and leave the process as it was."""

import subprocess
import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from PIL import Image

from command import InputError
from scoring import plots
from scoring.staged import StagedNight
from sleepstage import STAGES, Stage
from tests.support.staged_nights import staged_night, texts

random = np.random.default_rng(0)
EXPERT = np.repeat([0, 1, 2, 3, 2, 4, 0], [20, 5, 40, 60, 30, 25, 10])
PROBABILITIES = random.dirichlet(np.ones(5), len(EXPERT))
MODEL = PROBABILITIES.argmax(axis=1)
CONFUSION = np.arange(25).reshape(5, 5) * [[1], [1], [1000], [1], [0]]  # the expert never saw REM


def night(expert=EXPERT, probabilities=PROBABILITIES) -> StagedNight:
    return StagedNight(
        name="SC4001E0", probabilities=np.asarray(probabilities, np.float32), expert=np.array(expert, np.int32)
    )


def draw(path: Path, staged: StagedNight, title: str = "") -> None:
    plots.save(plots.night_figure(staged, title), path)


def size_in_mm(picture: Path) -> tuple[float, float]:
    with Image.open(picture) as image:
        return tuple(pixels / image.info["dpi"][0] * 25.4 for pixels in image.size)


# ---- the confusion matrix ----


def test_confusion_figure_fits_a_column_of_a_journal(tmp_path):
    plots.save(plots.confusion_figure(CONFUSION, "title"), tmp_path / "confusion.png")
    width, height = size_in_mm(tmp_path / "confusion.png")
    assert 80 < width < 90
    assert 80 < height < 100


def test_confusion_figure_names_shares_and_counts(tmp_path):
    plots.save(plots.confusion_figure(CONFUSION, "seven folds"), tmp_path / "confusion.svg")
    shown = texts(tmp_path / "confusion.svg")
    assert "seven folds" in shown
    for text in ("Expert", "Model", "W", "N1", "N2", "N3", "REM"):
        assert text in shown
    assert "40.0 %" in shown  # W, as REM: 4 of 10
    assert "10,000" in shown  # N2, as W
    assert shown.count("–") == 5  # the row of REM has no shares


# ---- the hypnogram ----


def test_night_figure_fits_two_columns_of_a_journal(tmp_path):
    draw(tmp_path / "night.png", night(), "SC4001E0")
    width, height = size_in_mm(tmp_path / "night.png")
    assert 170 < width < 185
    assert height < 130


def test_night_figure_shows_both_and_the_probabilities(tmp_path):
    draw(tmp_path / "night.svg", night(), "SC4001E0")
    shown = texts(tmp_path / "night.svg")
    for text in ("SC4001E0", "Expert", "Model", "Differ", "Probability", "Time (hours)"):
        assert shown.count(text) == 1
    assert shown.count("REM") == 3  # two axes and the legend


def test_a_recording_has_a_line_for_the_expert_only_if_there_is_one(tmp_path):
    plots.save(plots.recording_figure(staged_night(tmp_path)), tmp_path / "night.svg")
    assert "Expert" not in (shown := texts(tmp_path / "night.svg")) and "Probability" in shown
    with pytest.raises(AssertionError, match="a prepared night has an expert"):
        plots.night_figure(staged_night(tmp_path))


def stairs(axes, number=0):
    """Return the values, edges and baseline of one of the stairs that were drawn."""
    return axes.patches[number].get_data()


@pytest.mark.parametrize("how", [{"baseline": None, "fill": False}, {"baseline": 0, "fill": True, "facecolor": "k"}])
def test_stairs_look_as_matplotlib_draws_them(how):
    values, edges = random.integers(0, 5, 100).astype(np.float64), np.arange(101) / 100
    values[50:60] = np.nan
    pictures = []
    for draw_on in (plots.add_stairs, Axes.stairs):
        canvas = FigureCanvasAgg(Figure())
        axes = canvas.figure.add_subplot(xlim=(0, 1), ylim=(-1, 5))
        draw_on(axes, values, edges, edgecolor="k", linewidth=0.7, **how)
        canvas.draw()
        pictures.append(np.asarray(canvas.buffer_rgba()))
    np.testing.assert_array_equal(*pictures)
    assert (pictures[0] == 0).any(axis=-1).sum() > 1000


def drawn_hypnogram(stages: list[int]):
    axes = Figure().add_subplot()
    plots.draw_hypnogram(axes, np.arange(len(stages) + 1) / 120, np.array(stages), "Expert")
    return axes


def test_stages_stand_in_the_clinicians_order():
    axes = drawn_hypnogram([0, 4, 1, 2, 3])
    assert [label.get_text() for label in axes.get_yticklabels()] == ["W", "REM", "N1", "N2", "N3"]
    low, high = axes.get_ylim()
    assert low > high, "the first stage is the top"
    np.testing.assert_array_equal(stairs(axes).values, [0, 1, 2, 3, 4])


def test_an_epoch_without_a_stage_breaks_the_line():
    axes = drawn_hypnogram([0, -1, 2])
    np.testing.assert_array_equal(stairs(axes).values, [0, np.nan, 3])


def test_every_run_of_rem_is_marked():
    axes = drawn_hypnogram([4, 4, 0, 4, 2, 4])
    (bars,) = axes.collections
    in_epochs = [[round(x * 120) for x, _ in segment] for segment in bars.get_segments()]
    assert in_epochs == [[0, 2], [3, 4], [5, 6]]


def test_every_panel_shows_its_own_hypnogram():
    expert, differ, model = (stairs(axes) for axes in plots.night_figure(night()).axes[:3])
    level = np.array([0, 2, 3, 4, 1])  # of W, N1, N2, N3, REM from the top
    np.testing.assert_array_equal(expert.values, level[EXPERT])
    np.testing.assert_array_equal(model.values, level[MODEL])
    np.testing.assert_array_equal(differ.values, EXPERT != MODEL)
    assert expert.edges[-1] == len(EXPERT) * 30 / 3600  # hours


def test_disagreement_covers_the_epochs_that_differ():
    axes = Figure().add_subplot()
    plots.draw_strip(axes, np.arange(4) / 120, np.array([True, False, True]), "Differ")
    np.testing.assert_array_equal(stairs(axes).values, [1, 0, 1])


def test_hypnodensity_stacks_up_to_one():
    axes = Figure().add_subplot()
    plots.draw_hypnodensity(axes, np.arange(len(EXPERT) + 1) / 120, PROBABILITIES)
    deepest, top = stairs(axes), stairs(axes, -1)
    np.testing.assert_allclose(deepest.values, PROBABILITIES[:, Stage.N3])
    np.testing.assert_allclose(top.values, 1)
    np.testing.assert_allclose(top.values - top.baseline, PROBABILITIES[:, Stage.W])
    legend = axes.get_legend()
    assert legend is not None
    labels = [text.get_text() for text in legend.get_texts()]
    assert labels == ["W", "REM", "N1", "N2", "N3"]
    hatched = [patch.get_label() for patch in axes.patches if patch.get_hatch()]
    assert hatched == ["REM"], "in print without colour it is as grey as N2"


@pytest.mark.parametrize("n_epochs", [1, 2, 3000])
def test_nights_of_any_length_are_drawn(tmp_path, n_epochs):
    stages = np.arange(n_epochs) % 5
    draw(tmp_path / "night.png", night(stages, np.eye(5)[stages]))
    assert (tmp_path / "night.png").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("expert", "probabilities"),
    [(EXPERT[:-1], PROBABILITIES), ([], PROBABILITIES), (EXPERT, PROBABILITIES[:-1]), (EXPERT, PROBABILITIES.T)],
)
def test_arrays_of_other_epochs_are_refused(tmp_path, expert, probabilities):
    with pytest.raises(ValueError, match="Size mismatch"):
        draw(tmp_path / "night.png", night(expert, probabilities))
    assert not list(tmp_path.iterdir())


def test_a_long_spectrogram_has_fewer_columns_and_the_same_extent():
    power = np.arange(12, dtype=np.float32)[:, np.newaxis].repeat(2, axis=1)
    power[4:8] = np.nan
    power[8] = np.nan
    hours = np.arange(13.0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plots, "MOST_COLUMNS", 4)
        edges, means = plots.in_fewer_columns(hours, power)
        np.testing.assert_array_equal(edges, [0, 3, 6, 9, 12])
        np.testing.assert_array_equal(means[:, 0], [1, 3, np.nan, 10])
        patch.setattr(plots, "MOST_COLUMNS", 12)
        assert plots.in_fewer_columns(hours, power)[1] is power


def test_neighbouring_colours_differ_without_colour():
    grey = [np.dot(to_rgb(plots.COLOURS[stage]), (0.299, 0.587, 0.114)) for stage in plots.FROM_THE_TOP]
    assert np.abs(np.diff(grey)).min() > 0.2
    assert set(plots.FROM_THE_TOP) == set(plots.COLOURS) == set(STAGES)


# ---- files and the process ----


def test_a_picture_that_cannot_be_written_is_the_users_error(tmp_path):
    with pytest.raises(InputError, match="cannot write"):
        plots.save(plots.confusion_figure(CONFUSION), tmp_path / "no such folder" / "confusion.png")


def test_same_night_same_picture(tmp_path):
    for name in ("one.png", "two.png"):
        draw(tmp_path / name, night())
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
    assert len(list(tmp_path.iterdir())) == 2


def test_one_figure_is_written_in_every_format(tmp_path):
    paths = [tmp_path / f"confusion.{suffix}" for suffix in ("png", "svg", "pdf")]
    plots.save(plots.confusion_figure(CONFUSION, "title"), *paths)
    assert [path.read_bytes()[:4] for path in paths] == [b"\x89PNG", b"<?xm", b"%PDF"]


def test_drawing_changes_no_settings(tmp_path):
    before = dict(mpl.rcParams)
    plots.save(plots.confusion_figure(CONFUSION), tmp_path / "confusion.png")
    assert dict(mpl.rcParams) == before


def test_importing_plots_imports_no_matplotlib_and_drawing_no_pyplot(tmp_path):
    program = f"""
import sys
from scoring import plots
assert "matplotlib" not in sys.modules
from pathlib import Path
plots.save(plots.confusion_figure([[1] * 5] * 5), Path({str(tmp_path / "confusion.png")!r}))
assert "matplotlib.pyplot" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(plots.__file__).parents[1])
