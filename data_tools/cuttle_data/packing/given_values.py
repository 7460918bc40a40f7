"""Values given from Python -> samples, as files and tables are read."""

import numpy as np
from PIL import Image

from .. import names
from ..decoding import reason_of
from ..errors import BadInput, UserError
from ..graphs import EDGE_INDEX, FEATURES, NODES, graph_parts, stored_graph
from ..pictures import image_array
from ..sounds import sixteen_bits
from ..texts import plain_bytes
from ..videos import CHANNELS, stored_frames
from .given_files import GROUP, FileSample


def sample_of(given, name, modalities):
    """The FileSample of {sense: value}. UserError naming what does not fit, and what would."""
    known, values = {modality.name: modality for modality in modalities}, {}
    if not given:
        raise UserError(f"{name}: an empty dict; give a value for one of {', '.join(known)}")
    for sense, value in given.items():
        if sense not in known:
            raise UserError(f"{name}: the model has no sense {sense!r}; it takes "
                            f"{', '.join(known)}")
        try:
            values[sense] = _as_stored(known[sense], value)
        except BadInput as problem:
            raise UserError(f"{name}: {sense} {problem}; give {_wanted(known[sense])}, or leave "
                            f"{sense} out") from None
    return FileSample(name, None, GROUP, names.SPLIT_TEST, values)


def _as_stored(modality, value):
    if modality.kind == names.KIND_TEXT:
        return modality.convert(_text(value))
    if modality.kind == names.KIND_GRAPH:
        return modality.convert(stored_graph(*_graph(value, modality), modality.shape[0],
                                             modality.directed))
    if isinstance(value, Image.Image):  # its array may be of rows in a palette
        raise BadInput("is no array (of Pillow's pictures take np.asarray(it.convert('RGB')))")
    try:
        array = np.asarray(value)
    except Exception as error:  # rows of several lengths, tensors of a GPU, ...
        raise BadInput(f"is no array ({reason_of(error)})") from None
    if array.dtype.kind not in "fiub":
        raise BadInput(f"is of the type {type(value).__name__}, not numbers")
    if modality.kind == names.KIND_IMAGE:
        array = _picture(array, modality.shape)
    elif modality.kind == names.KIND_VIDEO:
        array = stored_frames(array, modality.shape, modality.most_frames)
    elif modality.kind == names.KIND_AUDIO and array.dtype.kind == "f":
        array = _sound(array)
    return modality.convert(array)


def _text(value):
    if not isinstance(value, str):
        raise BadInput(f"is of the type {type(value).__name__}")
    try:
        return plain_bytes(value)
    except UnicodeEncodeError as error:
        raise BadInput(f"holds half a letter, {ascii(value[error.start])} (a lone surrogate, which "
                       "UTF-8 does not have)") from None


def _graph(value, modality):
    """Of node-link data, or of an object or dict with x and edge_index."""
    content = value if isinstance(value, dict) else {
        name: getattr(value, name, None) for name in (FEATURES, EDGE_INDEX, "num_nodes")}
    if content.get(EDGE_INDEX) is None and content.get(NODES) is None:
        raise BadInput(f"is of the type {type(value).__name__} without nodes or edge_index")
    return graph_parts(content, modality.columns)


def _picture(array, shape):
    """Brought to the shape of the model's images as a file is."""
    if array.dtype.kind == "f":
        raise BadInput(f"holds {array.dtype} (whether white is 1 or 255 cannot be known)")
    colours = array.shape[2:] or (1, )
    if (array.dtype != np.uint8 or array.shape == shape or shape[2] not in (1, 3) or not array.size
            or array.ndim not in (2, 3) or colours[0] not in CHANNELS):
        return array  # fits, or convert() says why not
    picture = Image.fromarray(np.ascontiguousarray(array[..., 0] if array.shape[2:] == (1, ) else
                                                   array))
    return image_array(picture, shape[:2], shape[2])


def _sound(array):
    if not np.isfinite(array).all():
        raise BadInput("holds values that are not finite")
    peak = np.abs(array).max(initial=0)
    if peak > 1:
        raise BadInput(f"reaches {peak:g} where 1 is full scale")
    return sixteen_bits(array)


def _wanted(modality):
    """What a sense takes, for people."""
    last = modality.shape[-1] if modality.shape else 0
    return {
        names.KIND_IMAGE: "an array of uint8, [height, width, 3] or [height, width], 255 for white",
        names.KIND_TEXT: "a str",
        names.KIND_AUDIO: f"a row of int16, or of floats in [-1, 1], {modality.sample_rate} a second",
        names.KIND_SERIES: f"an array of numbers, [steps, {last}]",
        names.KIND_VECTOR: f"{last} numbers",
        names.KIND_VIDEO: "an array of uint8, [frames, height, width, 3] or [frames, height, width]",
        names.KIND_GRAPH: f"what has x, [nodes, {last}] numbers, and edge_index, [2, edges], or "
                          "node-link data of networkx"
    }[modality.kind]
