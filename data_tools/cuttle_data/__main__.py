import sys

try:
    from .cli import main
except ModuleNotFoundError as error:
    if (error.name or "").split(".")[0] not in ("h5py", "numpy", "PIL", "tqdm"):
        raise
    sys.exit(
        f"cuttle-data: {sys.executable} lacks {error.name} (data_tools needs h5py, numpy, Pillow "
        "and tqdm); run launch/quickstart.sh")

sys.exit(main())
