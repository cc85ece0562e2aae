"""Importing the package first makes ``mmcv.ops`` importable for every test."""

import mmresneskt  # noqa: F401
