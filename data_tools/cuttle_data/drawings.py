"""SVG drawings, by rsvg-convert of librsvg. They are given as bytes and not as files, so that nothing
that they refer to is read."""

import re
import shutil
import subprocess

from .errors import BadInput, UserError

PROGRAM, PACKAGE = "rsvg-convert", "librsvg2-bin"
LONGEST = 20  # seconds
HEAD = 8192  # bytes that the <svg tag begins in, after comments and declarations
START = re.compile(rb"\s*<(\?xml|!DOCTYPE|!--|svg\b|svg:svg\b)")
TAG = re.compile(rb"<(svg:)?svg\b")
MARK = b"\xef\xbb\xbf"


def is_drawing(data):
    """Whether the bytes of a file begin as those of an SVG."""
    head = data[:HEAD].removeprefix(MARK)
    return bool(START.match(head) and TAG.search(head))


def as_picture(data, size):
    """The PNG of a drawing, (height, width) large; other bytes as they are. BadInput if it cannot be
    drawn, UserError without librsvg."""
    if not is_drawing(data):
        return data
    if shutil.which(PROGRAM) is None:
        raise UserError(f"{PROGRAM} is not installed (SVG drawings are drawn with it); run: apt-get "
                        f"install {PACKAGE}")
    try:
        drawn = subprocess.run([PROGRAM, "--format", "png", "--width", str(size[1]), "--height",
                                str(size[0])], input=data, capture_output=True, timeout=LONGEST)
    except subprocess.TimeoutExpired:
        raise BadInput(f"drawing takes more than {LONGEST} seconds") from None
    if drawn.returncode or not drawn.stdout:
        reason = (drawn.stderr.decode(errors="replace").strip().splitlines() or ["nothing"])[-1]
        raise BadInput(f"broken drawing: {reason}")
    return drawn.stdout
