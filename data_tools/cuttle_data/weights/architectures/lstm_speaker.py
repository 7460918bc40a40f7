"""The speaker encoder of Resemblyzer: an LSTM over mel frames, its last state, a linear layer, ReLU, unit length."""

from ..architecture import Architecture, count, linear

# What the sound is made into; the tensors do not tell (hparams.py of Resemblyzer).
SOUND = {"rate": 16000, "n_fft": 400, "hop": 160, "mels": 40, "window_frames": 160, "level_dbfs": -30}


class Model(Architecture):
    NAME, SENSE = "lstm_speaker", "audio"
    NEEDS = {"lstm.weight_ih_l0": 2, "lstm.weight_hh_l0": 2, "linear.weight": 2}
    SIZES = {"mels": int, "width": int, "layers": int, "output": int}
    DROPPED = ((r"^similarity_", "the training loss's own numbers"), )

    def describe(self, tensors, opened, report):
        mels, output = tensors["lstm.weight_ih_l0"].shape[1], len(tensors["linear.weight"])
        return {"sizes": {"mels": mels, "width": tensors["lstm.weight_hh_l0"].shape[1],
                          "layers": count(tensors, r"lstm\.weight_ih_l(\d+)$"), "output": output},
                "preprocessing": {**SOUND, "mels": mels}, "output": {"width": output, "unit": True}}

    def shapes(self, sizes):
        width, inputs = sizes["width"], sizes["mels"]
        for layer in range(sizes["layers"]):
            yield f"lstm.weight_ih_l{layer}", (4 * width, inputs)
            yield f"lstm.weight_hh_l{layer}", (4 * width, width)
            yield f"lstm.bias_ih_l{layer}", (4 * width, )
            yield f"lstm.bias_hh_l{layer}", (4 * width, )
            inputs = width
        yield from linear("linear", sizes["output"], width)
