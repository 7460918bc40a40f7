"""The errors that data_tools raises on purpose."""


class UserError(Exception):
    """Refuses the command: "problem (why it matters); what to do". Exit code 2."""


def refusal_of(error):
    """What an OSError says, for people."""
    return (f"{error.filename or 'file access'}: {error.strerror or error} (the operating system "
            "refused); check the path, the permissions and the free space")


class BadInput(Exception):
    """One value cannot be used (a broken PNG, an empty text): the reason, without the file's name.
    The writer leaves the modality out of that sample and reports it."""


class ProgramError(Exception):
    """The program that answers for an adapted model failed, or refused what it was asked."""
