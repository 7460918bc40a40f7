"""What a data set of the Hugging Face hub says of its columns where its Parquet files do not: the
README's YAML, `dataset_info`, or the older dataset_infos.json."""

import functools
import json

import yaml

README, INFOS = "README.md", "dataset_infos.json"
ABOVE = 3  # folders: CONFIG/train/0000.parquet below the one with the README
MARK = "---"


def features_beside(path, columns):
    """{column: {"_type": ..., "names": ...}} by the nearest file that describes some of these columns
    and no others, {} if there is none. Of several configurations the one that a folder is named
    after is meant."""
    for folder in list(path.absolute().parents)[:ABOVE]:
        for name, read in ((README, _of_readme), (INFOS, _of_infos)):
            file = folder / name
            said = read(file, file.stat().st_mtime_ns) if file.is_file() else {}
            fitting = {config: features for config, features in said.items()
                       if features and features.keys() <= set(columns)}
            if fitting:
                named = [config for config in fitting if config in path.parts]
                return fitting[[*named, *fitting][0]]
    return {}


@functools.lru_cache(maxsize=4)
def _of_readme(path, _time):
    """{configuration: {column: feature}}"""
    head, mark, rest = path.read_text(encoding="utf-8-sig", errors="replace").partition(MARK + "\n")
    if head.strip() or not mark:
        return {}
    try:
        infos = yaml.safe_load(rest.partition("\n" + MARK)[0])["dataset_info"]
        infos = infos if isinstance(infos, list) else [infos]
        return {info.get("config_name", "default"): {
            entry["name"]: _feature(entry) for entry in info["features"]} for info in infos}
    except (yaml.YAMLError, KeyError, TypeError, ValueError, AttributeError, RecursionError):
        return {}


def _feature(entry):
    kind = entry.get("dtype")
    if not isinstance(kind, dict):
        return {"_type": str(kind or "")}
    names = kind.get("class_label", {}).get("names")
    if isinstance(names, dict):  # {"0": name}
        names = [names[number] for number in sorted(names, key=int)]
    return {"_type": "ClassLabel" if names else "", "names": names}


@functools.lru_cache(maxsize=4)
def _of_infos(path, _time):
    try:
        infos = json.loads(path.read_text(encoding="utf-8-sig"))
        return {config: {name: feature for name, feature in info["features"].items()
                         if isinstance(feature, dict)} for config, info in infos.items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}
