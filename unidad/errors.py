"""The one exception that means "the user can mend this"."""


class UserError(Exception):
    """A mistake in input, configuration or environment, told in one line.

    The message says what is wrong, where, and how to mend it. The command line prints it without
    a traceback and exits with status 2.
    """


def one_line(error: object) -> str:
    """What a library's error says, without its line breaks."""
    return " ".join(str(error).split())
