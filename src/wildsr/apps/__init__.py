"""Programs built on the core: an app a folder, its verb in its `cli.py`."""
