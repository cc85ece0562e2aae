"""A log of a test's metrics that one process writes."""

from __future__ import annotations

from mmengine.dist import master_only
from mmengine.hooks import LoggerHook


class OneWriterLoggerHook(LoggerHook):
    """mmengine's, where every process writes the metrics of a test to the same file.

    Two that do so at once leave the end of the longer text behind the shorter one, which no
    reader of JSON takes.
    """

    after_test_epoch = master_only(LoggerHook.after_test_epoch)
