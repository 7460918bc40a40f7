"""The errors that data_tools raises on purpose."""


class UserError(Exception):
    """Refuses the command: "problem (why it matters); what to do". Exit code 2."""


class BadInput(Exception):
    """One value cannot be used (a broken PNG, an empty text): the reason, without the file's name.
    The writer leaves the modality out of that sample and reports it."""


class ProgramError(Exception):
    """The program that answers for an adapted model failed, or refused what it was asked."""
