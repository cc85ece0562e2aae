"""``python -m mmresneskt``: the command ``mmresneskt``."""

from mmresneskt.cli import main

if __name__ == "__main__":
    # A process that a library spawns imports what began this one, and with it mmcv's operators: by
    # its file, since multiprocessing passes over a package's __main__ that it knows by name.
    __spec__ = None
    main()
