"""Tensors of foreign files: read without running anything, cleaned, as contiguous float32."""

import pickle
import re
import warnings

from ..errors import UserError

# Where training scripts put a model's tensors in what they save, the best first.
NESTED = ("state_dict", "model_state", "model_state_dict", "model")
WRAPPERS = re.compile(r"^(?:_orig_mod\.|module\.|model\.|backbone\.)+")
SHOWN = 10


def read(path):
    """{name: tensor} of a .safetensors or PyTorch file, in the file's order."""
    tensors = _read_safetensors(path) if path.suffix == ".safetensors" else _read_pickled(path)
    if not tensors:
        raise UserError(f"{path}: holds no tensors (nothing to make weights of); name the right file")
    return tensors


def _read_safetensors(path):
    import safetensors
    try:
        with safetensors.safe_open(path, "pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}
    except safetensors.SafetensorError as error:
        raise UserError(f"{path}: {error} (no whole safetensors file); fetch it again") from None


def _read_pickled(path):
    import torch
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd pickles: what is read of them is checked here
            saved = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever a damaged file makes of it
        named = re.search(r"\bGLOBAL (\S+)", str(error)) if isinstance(error, pickle.UnpicklingError) else None
        if named:
            raise UserError(
                f"{path}: holds more than tensors: {named[1]} (to read that would run code that its maker "
                "chose, so it is not read); where you trust it, save the tensors alone: "
                "torch.save(model.state_dict(), FILE)") from None
        reason = (str(error).rpartition("WeightsUnpickler error: ")[2].strip().splitlines() or ["it ends too early"])[0]
        raise UserError(f"{path}: {type(error).__name__}: {reason} (no whole PyTorch file of tensors); fetch it again"
                        ) from None
    nested = next((saved[key] for key in NESTED if isinstance(saved, dict) and _tensors(saved.get(key))), saved)
    return _tensors(nested)


def _tensors(value):
    import torch
    if not isinstance(value, dict):
        return {}
    return {name: tensor for name, tensor in value.items()
            if isinstance(name, str) and isinstance(tensor, torch.Tensor)}


def unwrapped(tensors, path):
    """The same without the prefixes of training scripts."""
    result = {}
    for name, tensor in tensors.items():
        add(result, WRAPPERS.sub("", name), tensor, path)
    return result


def add(tensors, name, tensor, path):
    if name in tensors:
        raise UserError(f"{path}: has two tensors called {name}, beside what stands before it (two models); keep one")
    tensors[name] = tensor


def floats(tensors, path, report):
    """Contiguous float32, every number finite. A tensor's strides may be any: PyTorch keeps transposed ones."""
    import torch
    result, converted = {}, {}
    for name, tensor in tensors.items():
        if tensor.layout != torch.strided or tensor.is_quantized or not tensor.is_floating_point():
            raise UserError(f"{path}: {name} is {str(tensor.dtype).removeprefix('torch.')} and has to be floats "
                            "(weights are float32, bfloat16, float16 or float64); use the file that is not quantised")
        if tensor.dtype != torch.float32:
            kind = str(tensor.dtype).removeprefix("torch.")
            converted[kind] = converted.get(kind, 0) + 1
        result[name] = tensor.to(torch.float32).contiguous()
        if not torch.isfinite(result[name]).all():
            raise UserError(f"{path}: {name} holds NaN or numbers beyond float32 (its answers would be NaN); "
                            "use another copy")
    for kind, count in converted.items():
        report.note(f"{count} tensors were {kind}; they are float32 now")
    return result


def some(names):
    """The first few of the names, for messages."""
    names = list(names)
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
