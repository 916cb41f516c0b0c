"""Trainings, studies and verdicts told to a tracker that people have: numbers and settings, never a note."""
