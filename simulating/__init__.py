"""Simulated sleep: its EEG, what an amplifier does to it, and the raw layouts of the data sets."""
