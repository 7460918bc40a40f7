"""Draws an emoji in each of three styles, RGB on white, in its designer's proportions."""

from functools import lru_cache

from PIL import Image, ImageDraw, ImageFont

from . import emoji_packages, media
from .errors import BadInput, UserError

NOTO_SIZE = 109  # the only size of the bitmaps inside the font; they are 136 x 128
SYMBOLA_SIZE = 128
SYMBOLA_SIDE = 136  # most outlines just fill this square; wider ones get a wider square


class Drawer:
    """Makes uint8 [side, side, 3] pictures. The fonts are opened once; the last few pictures
    are kept, since each serves several samples in a row."""

    def __init__(self, side):
        self.side_ = side
        self.pictures_ = emoji_packages.gemojione_pictures()
        self.noto_ = _open_font(emoji_packages.NOTO_FONT, NOTO_SIZE)
        self.symbola_ = _open_font(emoji_packages.SYMBOLA_FONT, SYMBOLA_SIZE)
        self.draw = lru_cache(maxsize=4)(self._draw)

    def code_points(self):
        """The code points that every style has a drawing for."""
        return (set(self.pictures_) & emoji_packages.font_code_points(emoji_packages.NOTO_FONT)
                & emoji_packages.font_code_points(emoji_packages.SYMBOLA_FONT))

    def _draw(self, style, code_point):
        if style == "gemojione":
            return media.load_image(self.pictures_[code_point], (self.side_, self.side_), 3)
        font, least = (self.noto_, 0) if style == "noto" else (self.symbola_, SYMBOLA_SIDE)
        array = media.image_array(_glyph(font, chr(code_point), least), (self.side_, self.side_), 3)
        if array.min() == 255:
            raise BadInput("the font draws nothing")
        return array


def _glyph(font, character, least):
    """The glyph centred on a transparent square that is at least `least` pixels wide."""
    left, top, right, bottom = font.getbbox(character)
    side = max(least, right - left, bottom - top, 1)
    picture = Image.new("RGBA", (side, side), (255, 255, 255, 0))
    corner = ((side - left - right) / 2, (side - top - bottom) / 2)
    ImageDraw.Draw(picture).text(corner, character, font=font, fill="black", embedded_color=True)
    return picture


def _open_font(path, size):
    try:
        return ImageFont.truetype(str(path), size, layout_engine=ImageFont.Layout.BASIC)
    except OSError as error:
        raise UserError(f"{path}: {error} (the emoji are drawn with it); reinstall its package"
                        ) from None
