"""Scoring: staged nights and recordings, their figures, files and pictures. From Python:

from scoring import Scorer

night = Scorer().stage("night.edf")
night.stages, night.statistics, night.plot(), night.save("scored/")
"""

from scoring.scorer import ScoredNight, Scorer

__all__ = ["ScoredNight", "Scorer"]
