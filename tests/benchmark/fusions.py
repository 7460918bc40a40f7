"""What is the way that senses meet worth? configs/quickstart.yaml with each fusion in turn, over seeds.

    python3 tests/benchmark/fusions.py [--out runs/fusions] [--ranks 2] [--seeds 1,2] [--steps 400] [FUSION ...]

Image, text and audio of emoji, one budget of steps and one learner (prototypes, no loss of a sense alone), every fusion
as it is by default but for what its row says. Accuracy in % on complete samples of the same 600 test episodes, and how
far it is ahead of concat, paired. Needs .data/emoji (launch/quickstart.sh makes it). Trainings that are done are not
repeated.
"""

import argparse
import json

from runs import add_arguments, cuttle, train

FUSIONS = [("concat", ), ("gated", ), ("late", ), ("late", "late_weights=equal"), ("late", "late_weights=sample"),
           ("late", "late_by=product"), ("late", "late_by=vote"), ("self_attention", ), ("cross_attention", ),
           ("co_attention", ), ("bottleneck", ), ("product_of_experts", ), ("low_rank", ), ("tensor", ), ("bilinear", ),
           ("film", ), ("film", "film_by=text"), ("sense_graph", ), ("deep_sets", )]


def trained(fusion, seed, arguments):
    """The folder of its run."""
    folder = arguments.out / "-".join([*fusion, str(seed), str(arguments.steps)])
    words = [f"model.fusion={fusion[0]}", *(f"model.{word}" for word in fusion[1:])]
    train(arguments, folder, "configs/quickstart.yaml", *words, f"seed={seed}", f"train.steps={arguments.steps}",
          f"train.validate_every={arguments.steps}", "adapt.part_loss=0")
    return str(folder)


def compared(fusion, seed, arguments):
    """Accuracy and the lead over concat, as `compare` tells them; kept beside the runs."""
    kept = arguments.out / ("-".join([*fusion, str(seed), str(arguments.steps)]) + ".json")
    if not kept.exists():
        runs = [trained(fusion, seed, arguments), trained(("concat", ), seed, arguments)]
        told = json.loads(cuttle(arguments, "compare", *runs, "--complete", "--episodes", "600", "--json"))
        kept.write_text(json.dumps({**told["runs"][0], "lead": told["runs"][1]["lead"]}), encoding="utf-8")
    return json.loads(kept.read_text(encoding="utf-8"))


def cell(value, signed=""):
    return f"{100 * value['mean']:{signed}.1f} +- {100 * value['ci95']:.1f}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser, "fusions")
    parser.add_argument("--seeds", type=lambda text: [int(seed) for seed in text.split(",")], default=[1])
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("names", nargs="*", default=sorted({name for name, *_ in FUSIONS}), metavar="FUSION")
    arguments = parser.parse_args()
    print("| fusion | " + " | ".join(f"seed {seed} | ahead of concat by" for seed in arguments.seeds) + " |")
    print("| --- |" + " --- |" * (2 * len(arguments.seeds)))
    for fusion in (fusion for fusion in FUSIONS if fusion[0] in arguments.names):
        row = [compared(fusion, seed, arguments) for seed in arguments.seeds]
        cells = [word for entry in row for word in (cell(entry["accuracy"]), cell(entry["lead"], "+"))]
        print("| " + " | ".join([" ".join(fusion), *cells]) + " |", flush=True)


if __name__ == "__main__":
    main()
