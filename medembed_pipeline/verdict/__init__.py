"""The release verdict: deploy, retrain or inconclusive, by rules that a person sets."""

REVISION = "4"
