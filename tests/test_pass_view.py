"""What is shown of folds that other processes train: a line a pass in a log, a bar a fold on a terminal."""

from __future__ import annotations

import logging

from command import log
from config import Settings
from folds.history import Pass, save_history
from training.pass_view import FoldView, shown

SETTINGS = Settings(pretrain_epochs=1, n_epochs=2)
PRETRAINED = Pass("pretrain", 1, 10, loss_rec=3.0, seconds=60.0)
TRAINED = Pass("train", 1, 20, 3.0, 1.5, 0.2, 0.5, 0.6, 0.5, kept=True, seconds=120.0)
LAST = Pass("train", 2, 30, 3.0, 1.4, 0.2, 0.5, 0.6, 0.5, seconds=120.0)


def test_a_log_gets_each_pass_once(tmp_path, caplog):
    save_history(tmp_path, [PRETRAINED])
    with caplog.at_level(logging.INFO, logger=log.name), shown(SETTINGS, {4: tmp_path}) as view:
        view.begin(4)  # what was there before is no news
        view.look()
        save_history(tmp_path, [PRETRAINED, TRAINED])
        view.look()
        view.look()
        save_history(tmp_path, [PRETRAINED, TRAINED, LAST])
        view.end(4)
    assert [line[:15] for line in caplog.messages] == ["fold 4  train  ", "fold 4  train  "]
    assert caplog.messages[0].endswith("kept  120.0 s  2 min left") and "ce 1.4000" in caplog.messages[1]


def test_a_fold_without_a_history_yet_or_with_half_of_one_is_waited_for(tmp_path, caplog):
    with caplog.at_level(logging.INFO, logger=log.name):
        view = FoldView(0, tmp_path, SETTINGS, on_terminal=False)
        view.look()
        (tmp_path / "history.csv").write_text("phase,pass")
        view.look()
        save_history(tmp_path, [PRETRAINED])
        view.end()
    assert [line[:18] for line in caplog.messages] == ["fold 0  pretrain  "]


def test_a_terminal_gets_a_bar_with_the_last_pass(tmp_path, capsys):
    view = FoldView(4, tmp_path, SETTINGS, on_terminal=True)
    assert "fold   4" in capsys.readouterr().err
    save_history(tmp_path, [PRETRAINED, TRAINED])
    view.look()
    view.bar.refresh()
    drawn = capsys.readouterr().err
    assert "train   1  ce 1.5000" in drawn and "2 min left" in drawn and view.bar.n == 2
    view.end()
