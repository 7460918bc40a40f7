import os
import sys

from .cli import main

os.umask(os.umask(0) | 0o002)  # nobody but the user and the group may change what is written
sys.exit(main())
