"""Folds: who trains, validates and tests, what a fold leaves on disk, and the published program's checkpoints."""
