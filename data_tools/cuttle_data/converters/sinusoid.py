"""Sine waves to regress from a few points: the first task of the MAML paper (Finn et al. 2017).

A class is one function y = A sin(x - phase), its name says which: A uniform in [0.1, 5], phase in
[0, pi]; its samples have x uniform in [-5, 5] (modality `x`, one feature) and the target y. The minus
is that of the authors' program (cbfinn/maml, data_generator.py); the paper gives the ranges alone.
x is left as it is there: no statistics are declared. Functions are the same for the same seed, split
and number, however many there are; training draws episodes from a fixed set of them, where the paper
makes new ones for ever.
"""

import numpy as np

from .. import names
from ..draws import generator
from ..errors import UserError
from ..schema import SPLITS
from ..shards import DatasetInfo, Modality, Sample, write_converted

AMPLITUDES = (0.1, 5.0)
PHASES = (0.0, np.pi)
INPUTS = (-5.0, 5.0)
MAX_FUNCTIONS = 10**6
NO_GROUP = "all"


def add_arguments(parser):
    parser.add_argument("--functions",
                        default="10000,500,1000",
                        help="how many train, validate and test (default: 10000,500,1000)")
    parser.add_argument("--samples-per-function",
                        type=int,
                        default=40,
                        help="points that an episode's shot + query are drawn from (default: 40)")
    parser.add_argument("--noise",
                        type=float,
                        default=0.0,
                        help="standard deviation of what is added to y (default: 0, as in the "
                        "paper)")


def convert(args, report):
    counts = _parse_functions(args.functions)
    if args.samples_per_function < 2:
        raise UserError(
            "--samples-per-function must be at least 2 (support and query need one each)")
    if not (args.noise >= 0 and np.isfinite(args.noise)):
        raise UserError(f"--noise {args.noise} is no standard deviation; give 0 or more")
    samples = []
    for split, count in enumerate(counts):
        for number in report.progress(range(count), count, SPLITS[split]):
            samples += _function(args, split, number)
    info = DatasetInfo(args.name or "sinusoid",
                       "made by cuttle-data sinusoid: A sin(x - phase), A in [0.1, 5], phase in "
                       f"[0, pi], x in [-5, 5], noise {args.noise:g}", "CC0-1.0",
                       "cuttle-data sinusoid", targets=("y", ))
    # Empty statistics are a declaration too: the paper's models take x as it is.
    modality = Modality("x", names.KIND_VECTOR, (1, ), mean=(), stddev=())
    write_converted(args, report, info, [modality], samples)


def _parse_functions(text):
    """"10000,500,1000" -> [10000, 500, 1000]."""
    parts = text.split(",")
    whole = len(parts) == 3 and all(part.strip().isdecimal() for part in parts)
    counts = [int(part) for part in parts] if whole else [0]
    if not 1 <= sum(counts) <= MAX_FUNCTIONS:
        raise UserError(f"--functions {text!r} are not three counts for train, validation and test; "
                        f"give for example 10000,500,1000 (at most {MAX_FUNCTIONS} together)")
    return counts


def _function(args, split, number):
    """The samples of one function. The sine is taken in float64 of the x that is stored."""
    random = generator(args.seed, split, number)
    amplitude, phase = random.uniform(*AMPLITUDES), random.uniform(*PHASES)
    x = random.uniform(*INPUTS, args.samples_per_function).astype("<f4")
    y = amplitude * np.sin(x.astype(float) - phase)
    y += args.noise * random.standard_normal(len(x))
    name = f"{SPLITS[split]}/{number:05d}"
    class_name = f"{name} A={amplitude!r} phase={phase!r}"
    return [
        Sample(f"{name}/{index}", class_name, NO_GROUP, SPLITS[split], {"x": x[index:index + 1]},
               targets=(float(y[index]), )) for index in range(len(x))
    ]
