"""Learns the pieces that texts are made of, for encoders of texts with `pieces: FILE`.

Byte-pair encoding (Sennrich et al. 2016) over bytes, words cut as GPT-2 cuts them, by the `tokenizers`
package: starts from all 256 bytes, so that every text can be read, and joins the two neighbours that
are most often such, again and again. Only texts of the training split count. FILE is a tokenizer.json,
which other programs read, too.
"""

import contextlib

from . import names
from .errors import UserError
from .files import path_of, shard_paths, write_text
from .floor import Collection
from .reader import Shard

BYTES = 256
LARGEST = 1 << 20  # pieces


def add_arguments(parser):
    parser.add_argument("paths", nargs="+", metavar="SHARD", help="shards, or folders of shards")
    parser.add_argument("--size", type=int, default=4096, metavar="N", help="pieces, bytes among them (default: 4096)")
    parser.add_argument("--modality", metavar="NAME", help="the sense whose texts are read (default: the only one)")
    parser.add_argument("--out", type=path_of, required=True, metavar="FILE.json", help="file to write")
    parser.add_argument("--overwrite", action="store_true", help="replace FILE")


def run(args, report):
    if not BYTES <= args.size <= LARGEST:
        raise UserError(f"--size {args.size}: has to be from {BYTES} to {LARGEST:,} (each byte is a piece)")
    if args.out.suffix != ".json":
        raise UserError(f"--out {args.out}: the file is JSON; call it NAME.json")
    if args.out.exists() and not args.overwrite:
        raise UserError(f"{args.out} exists (it may be in use); add --overwrite, or choose another name")
    if not args.out.parent.is_dir():
        raise UserError(f"{args.out.parent}: no such folder (the file is to lie there); make it")
    with contextlib.ExitStack() as stack:
        collection = Collection([stack.enter_context(Shard(path)) for path in shard_paths(args.paths)])
        name = _text_of(collection.modalities, args.modality)
        count, tokenizer = learned(texts_of(collection, name, report), args.size)
    if not count:
        raise UserError(f"{collection.shards[0].path}: no sample of the training split has {name} (pieces are learned "
                        "from these alone); name shards that have some")
    write_text(args.out, tokenizer.to_str())
    pieces = tokenizer.get_vocab_size()
    few = "" if pieces == args.size else f" (not {args.size:,}: nothing else stands twice in them)"
    report.note(f"{args.out}: {pieces:,} pieces{few} of {count:,} texts")
    report.say(f"in a config:\nmodel: {{encoders: {{{name}: {{type: transformer, pieces: {args.out}}}}}}}")
    return 0


def texts_of(collection, name, report):
    """Yields the training split's texts."""
    samples = [collection.samples[index] for index in collection.of_split(names.SPLIT_TRAIN)]
    present = [(shard, sample) for shard, sample in samples if shard.rows[name][sample] >= 0]
    for shard, sample in report.progress(present, len(present), "texts"):
        yield shard.read(sample, name).tobytes().decode("utf-8", errors="ignore")


def learned(texts, size):
    """(how many texts, the Tokenizer)."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    count = 0

    def counted():
        nonlocal count
        for count, text in enumerate(texts, 1):
            yield text

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=size, min_frequency=2, show_progress=False,
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator(counted(), trainer)
    return count, tokenizer


def _text_of(modalities, asked):
    found = [name for name, modality in modalities.items() if modality.kind == names.KIND_TEXT]
    if asked is not None and asked not in found:
        raise UserError(f"--modality {asked}: the shards have no text of this name; they have "
                        f"{', '.join(found) or 'none at all'}")
    if asked is None and len(found) != 1:
        raise UserError(f"the shards have {'several texts: ' + ', '.join(found) if found else 'no text'}; "
                        + ("name one by --modality" if found else "name shards that have some"))
    return asked or found[0]
