"""Scored nights → what a paper prints: agreement, comparisons, calibration, as tables, figures and text."""
