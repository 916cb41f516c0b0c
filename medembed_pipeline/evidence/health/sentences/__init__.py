"""Everyday English sentences in threes, written for this project: a module per set of `general_pairs`."""
