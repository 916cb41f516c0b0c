"""Similarities of pairs, heatmaps, example queries and the course of the training, before and after."""

REVISION = "1"
