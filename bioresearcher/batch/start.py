"""The start of a worker's process: `python -m bioresearcher.batch.start PARENT`, with its parent's process number.

It asks the kernel to be killed when its parent dies, before anything that takes time is imported: a parent that was
killed meanwhile would leave a worker that goes on alone, beside the one of the next start.
"""

import ctypes
import gc
import os
import signal
import sys

_SET_DEATH_SIGNAL = 1
"""`PR_SET_PDEATHSIG` of linux/prctl.h."""


def main() -> int:
    """Tie this process to its parent and carry out the job; return the exit code."""
    ctypes.CDLL(None).prctl(_SET_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != int(sys.argv[1]):
        return 1  # it died before this process was tied to it
    gc.set_threshold(50_000, 20, 100)  # as the command line does
    from bioresearcher.batch.worker import main as carry_out

    return carry_out()


if __name__ == "__main__":
    sys.exit(main())
