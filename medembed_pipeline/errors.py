"""The one family of errors that a person is meant to read."""


class MedembedError(Exception):
    """Something a person can put right: the message names what, where, what was expected, and what to do.

    Its text is shown in the terminal and kept in Dagster's database, so it never quotes a note.
    """
