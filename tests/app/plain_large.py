"""ResNet-12 and a transformer over characters as one would write them in plain PyTorch. Their state_dicts have the
names that cuttle gives a model of one modality."""

import torch
from torch.nn import functional


class ResidualBlock(torch.nn.Module):

    def __init__(self, inputs, width):
        super().__init__()
        for number in (1, 2, 3):
            convolution = torch.nn.Conv2d(inputs if number == 1 else width, width, 3, padding=1, bias=False)
            self.add_module(f"conv{number}", convolution)
            self.add_module(f"bn{number}", torch.nn.BatchNorm2d(width, track_running_stats=False))
        self.downsample = torch.nn.Sequential(torch.nn.Conv2d(inputs, width, 1, bias=False),
                                              torch.nn.BatchNorm2d(width, track_running_stats=False))

    def forward(self, x):
        y = functional.leaky_relu(self.bn1(self.conv1(x)), 0.1)
        y = functional.leaky_relu(self.bn2(self.conv2(y)), 0.1)
        y = self.bn3(self.conv3(y))
        return functional.max_pool2d(functional.leaky_relu(y + self.downsample(x), 0.1), 2)


class ResNet12(torch.nn.Module):
    """The one of Lee et al. 2019 with the mean of Oreshkin et al. 2018 at the end, no DropBlock, on images `image`."""

    def __init__(self, channels, width, way):
        super().__init__()
        stages, inputs = {}, channels
        for stage, outputs in enumerate((width, width * 5 // 2, width * 5, width * 10), 1):
            stages[f"layer{stage}"] = torch.nn.Sequential(ResidualBlock(inputs, outputs))
            inputs = outputs
        self.encoder = torch.nn.ModuleDict({"image": torch.nn.ModuleDict(stages)})
        self.head = torch.nn.Linear(inputs, way)

    def forward(self, x):
        for stage in self.encoder["image"].values():
            x = stage(x)
        return self.head(x.mean((2, 3)))


class TextEncoder(torch.nn.TransformerEncoder):
    """PyTorch's own, behind a table of characters and sinusoids."""

    def __init__(self, tokens, width, heads, depth):
        layer = torch.nn.TransformerEncoderLayer(width, heads, 4 * width, 0.0, "gelu", batch_first=True,
                                                 norm_first=True)
        super().__init__(layer, depth, torch.nn.LayerNorm(width), enable_nested_tensor=False)
        self.embedding = torch.nn.Embedding(tokens, width)


class Transformer(torch.nn.Module):

    def __init__(self, width, heads, depth, way):
        super().__init__()
        self.encoder = torch.nn.ModuleDict({"text": TextEncoder(1024, width, heads, depth)})
        self.head = torch.nn.Linear(width, way)

    def forward(self, tokens):
        """Tokens [m, T], 0 where a text has ended."""
        text, real = self.encoder["text"], (tokens != 0)
        x = text.embedding(tokens)
        angle = torch.arange(x.shape[1])[:, None] / 10000**(torch.arange(0, x.shape[2], 2) / x.shape[2])
        x = x + torch.stack([angle.sin(), angle.cos()], 2).flatten(1)
        x = text(x, src_key_padding_mask=~real)
        weight = real[..., None].to(x.dtype)
        return self.head((x * weight).sum(1) / weight.sum(1))


def tokens_of(texts):
    """Characters as cuttle numbers them, padded with 0."""
    rows = [torch.tensor([ord(c) if ord(c) < 512 else 512 + (ord(c) * 2654435761 % 2**32 >> 23) for c in text])
            for text in texts]
    return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
