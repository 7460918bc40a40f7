import os
import sys

try:
    from .cli import main
except ModuleNotFoundError as error:
    if (error.name or "").split(".")[0] not in ("h5py", "numpy", "PIL", "tqdm"):
        raise
    sys.exit(
        f"cuttle-data: {sys.executable} lacks {error.name} (data_tools needs h5py, numpy, Pillow "
        "and tqdm); run launch/quickstart.sh")

os.umask(os.umask(0) | 0o002)  # nobody but the user and the group may change what is written
sys.exit(main())
