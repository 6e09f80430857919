"""Which signal is meant: names, aliases, differences, stand-ins."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from command import InputError
from recordings.channels import nearest_names, resolve_channel, same_channel, trained_and_stand_ins

ISRUC_A = ["LOC-A2", "ROC-A1", "F3-A2", "C3-A2", "O1-A2", "C4-A1", "X1", "SaO2"]
ISRUC_M = ["E1-M2", "E2-M1", "F3-M2", "C3-M2", "O1-M2", "C4-M1", "X1", "SpO2"]
ISRUC_40 = ["ROC", "A1", "LOC", "A2", "C4", "O2", "C3", "O1", "F4", "F3", "X1"]


@pytest.mark.parametrize(
    "wanted, labels, used",
    [
        ("C3-A2", ISRUC_A, "C3-A2"),
        ("C3-A2", ISRUC_M, "C3-M2"),
        ("C3-M2", ISRUC_A, "C3-A2"),
        ("c3a2", ISRUC_M, "C3-M2"),
        ("EEG C3:A2", ISRUC_A, "C3-A2"),
        ("C3-A2", ["C4A1", "C3A2"], "C3A2"),
        ("C3A2", ["EEG C3-M2"], "EEG C3-M2"),
        ("Fpz-Cz", ["EEG Fpz-Cz", "EEG Pz-Oz"], "EEG Fpz-Cz"),
        ("eeg fpz cz", ["EEG Fpz-Cz", "EEG Pz-Oz"], "EEG Fpz-Cz"),
        ("EEG", ["EEG", "EOG"], "EEG"),
    ],
)
def test_a_channel_is_found_by_name_or_alias(wanted, labels, used):
    channel = resolve_channel(wanted, labels)
    assert (channel.label, channel.active, channel.reference) == (used, labels.index(used), None)


def test_the_exact_name_wins_over_an_alias():
    assert resolve_channel("C3-M2", ["C3-A2", "C3-M2"]).active == 1


@pytest.mark.parametrize("wanted", ["C3-A2", "C3A2", "EEG C3-M2"])
def test_a_channel_is_derived_from_unreferenced_electrodes(wanted):
    channel = resolve_channel(wanted, ISRUC_40)
    assert (channel.label, ISRUC_40[channel.active], ISRUC_40[channel.reference]) == ("C3 - A2", "C3", "A2")


def test_an_unknown_channel_lists_those_there_are():
    with pytest.raises(InputError, match=r"no channel Cz-A1; there are LOC-A2, ROC-A1, .*nearest: .*name one of them"):
        resolve_channel("Cz-A1", ISRUC_A)


def test_two_channels_of_one_name_are_never_guessed():
    with pytest.raises(InputError, match=r"C3-A2 could be any of C3A2 \(signal 0\), C3-M2 \(signal 2\)"):
        resolve_channel("C3-A2", ["C3A2", "C4A1", "C3-M2"])


@settings(deadline=None)
@given(st.lists(st.sampled_from(ISRUC_A + ISRUC_M + ISRUC_40), unique=True), st.sampled_from(ISRUC_A + ISRUC_40))
def test_a_channel_that_is_there_is_always_found(others, wanted):
    labels = [*others, wanted] if wanted not in others else others
    assert labels[resolve_channel(wanted, labels).active] == wanted


@pytest.mark.parametrize(
    ("wanted", "labels", "used"),
    [
        ("C3-A2", ["EEG C3", "EEG A2"], "EEG C3 - EEG A2"),
        ("E21-E257", ["E257", "E21"], "E21 - E257"),
        ("Fp1-Ref", ["EEG Fp1-Ref", "Ref"], "EEG Fp1-Ref"),  # the channel itself wins
        ("C3-Ref-M2-Ref", ["C3-Ref", "M2-Ref"], "C3-Ref - M2-Ref"),
        ("EEG Fpz-EEG Cz", ["Cz", "Fpz"], "Fpz - Cz"),
    ],
)
def test_any_two_referential_channels_can_be_subtracted(wanted, labels, used):
    assert resolve_channel(wanted, labels).label == used


def test_the_nearest_names_come_first():
    assert nearest_names("EEG Fpz-Cx", ["EEG Fpz-Cz", "EEG Pz-Oz", "EOG horizontal"])[0] == "EEG Fpz-Cz"


@pytest.mark.parametrize(
    ("trained", "labels", "used"),
    [
        (["EEG Fpz-Cz"], ["EEG Pz-Oz", "EEG Fpz-Cz"], "EEG Fpz-Cz"),
        (["EEG Fpz-Cz"], ["C3-M2", "F4-M1"], "F4-M1"),
        (["EEG Fpz-Cz"], ["Fpz", "Cz"], "Fpz - Cz"),
        (["C3-A2", "C3-M2"], ["F4-M1", "C4-A1"], "C4-A1"),
        (["C3A2"], ["EEG Fpz-Cz"], "EEG Fpz-Cz"),
        (["C3A2"], ["EOG", "C3", "C4"], "C4"),
    ],
)
def test_the_trained_channel_or_its_nearest_stand_in(trained, labels, used):
    assert next(trained_and_stand_ins(trained, labels)).label == used


def test_stand_ins_follow_from_the_nearest_on_each_of_them_once():
    found = trained_and_stand_ins(["EEG Fpz-Cz"], ["C3-M2", "F4-M1", "Fpz", "EOG", "Cz", "EEG Fpz-Cz"])
    assert [channel.label for channel in found] == ["EEG Fpz-Cz", "F4-M1", "C3-M2", "Fpz", "Cz"]


def test_a_stand_in_of_two_meanings_refuses_no_recording_that_has_another():
    found = trained_and_stand_ins(["EEG Fpz-Cz"], ["F4-M1", "C3-M2", "C3:A2", "C4-M1"])
    assert [one.label for one in found] == ["F4-M1", "C4-M1"]
    with pytest.raises(InputError, match="could be any of"):
        next(trained_and_stand_ins(["EEG Fpz-Cz"], ["C3-M2", "C3:A2"]))


def test_no_stand_in_lists_the_channels():
    with pytest.raises(InputError, match=r"no channel EEG Fpz-Cz, and nothing that stands in.*EOG, ECG; name one"):
        list(trained_and_stand_ins(["EEG Fpz-Cz"], ["EOG", "ECG"]))


def test_one_channel_under_many_names():
    assert same_channel("EEG C3:M2", "C3 - A2") and not same_channel("C3-A2", "C4-A2")


# ---- as other laboratories write it ----


@pytest.mark.parametrize(
    ("wanted", "labels", "used"),
    [
        ("C3-A2", ["EEG C3-REF", "EEG C4-REF", "EEG A1-REF", "EEG A2-REF"], "EEG C3-REF - EEG A2-REF"),
        ("C3-M2", ["EEG C3-Ref", "EEG M2-Ref"], "EEG C3-Ref - EEG M2-Ref"),
        ("C3-A2", ["C3-LE", "A2-LE"], "C3-LE - A2-LE"),
        ("C3-A2", ["C3-A1A2", "A2-A1A2"], "C3-A1A2 - A2-A1A2"),
        ("EEG C3-REF-EEG A2-REF", ["EEG C3-REF", "EEG A2-REF"], "EEG C3-REF - EEG A2-REF"),
        ("C4-M1", ["C4/M1", "C3/M2"], "C4/M1"),
        ("C4-M1", ["C4-M1-0", "C3-M2-0"], "C4-M1-0"),
        ("C4-M1", ["EEG C4-A1-1"], "EEG C4-A1-1"),
        ("C4-M1", ["C4\u2212M1"], "C4\u2212M1"),
        ("C4-M1", ["C4\u2013M1"], "C4\u2013M1"),
        ("C4-M1", ["EEG(C4-M1)"], "EEG(C4-M1)"),
        ("C4-M1", ["C4-M1 [uV]"], "C4-M1 [uV]"),
        ("Fp1", ["EEG L1(Fp1)", "EEG R1(Fp2)"], "EEG L1(Fp1)"),
        ("C3", ["C3-CLE", "C4-CLE"], "C3-CLE"),
        ("EEG", ["EEG", "EEG(sec)"], "EEG"),
        ("EEG(sec)", ["EEG", "EEG(sec)"], "EEG(sec)"),
    ],
)
def test_labels_of_other_laboratories_are_known(wanted, labels, used):
    assert resolve_channel(wanted, labels).label == used


@pytest.mark.parametrize(
    ("labels", "used"),
    [
        (["EEG Fz-Ref", "EEG Cz-Ref", "EEG A2-Ref", "EEG C3-Ref"], "EEG Fz-Ref - EEG Cz-Ref"),
        (["EEG C3-REF", "EEG A2-REF", "EMG"], "EEG C3-REF - EEG A2-REF"),
        (["EEG L1(Fp1)", "EEG L2(F7)", "EMG"], "EEG L1(Fp1)"),
        (["Fp1-LE", "ECG"], "Fp1-LE"),
        (["EEG C3-CLE", "EEG C4-CLE"], "EEG C4-CLE"),
    ],
)
def test_a_clinical_recording_has_something_instead_of_the_trained_channel(labels, used):
    assert next(trained_and_stand_ins(["EEG Fpz-Cz"], labels)).label == used


def test_no_difference_is_formed_of_two_references():
    with pytest.raises(InputError, match="no channel C3-A2"):
        resolve_channel("C3-A2", ["C3-LE", "A2-Avg"])


def test_of_two_signals_of_one_label_the_number_tells():
    labels = ["EEG Fpz-Cz", "EMG", "EEG Fpz-Cz"]
    with pytest.raises(InputError, match=r'could be any of .* or by number: "EEG Fpz-Cz \(signal 0\)"'):
        resolve_channel("EEG Fpz-Cz", labels)
    assert resolve_channel("EEG Fpz-Cz (signal 2)", labels).active == 2
    assert [one.active for one in trained_and_stand_ins(["EEG Fpz-Cz"], labels)] == [0, 2]
    assert same_channel("EEG Fpz-Cz (signal 2)", "EEG Fpz-Cz")
