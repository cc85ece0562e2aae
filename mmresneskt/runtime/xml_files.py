"""XML in the encoding that it declares."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

_DECLARED = re.compile(rb"""<\?xml[^>]*?encoding\s*=\s*["']([\w.-]+)["']""")


def read_xml(file: str | Path) -> ET.Element:
    """The root of an XML file; its encoding may be any that Python knows.

    expat knows a few. GB2312 and GBK are read as GB18030, which holds both.

    Raises:
        ValueError: it is no XML, or not in the encoding that it declares.
        OSError: it cannot be read.
    """
    data = Path(file).read_bytes()
    try:
        return ET.fromstring(data)
    except (ET.ParseError, ValueError, LookupError) as failure:
        declared = _DECLARED.match(data.lstrip()[:200])
        encoding = declared[1].decode().lower() if declared else "utf-8"
        try:
            wider = "gb18030" if encoding in ("gb2312", "gbk") else encoding
            text = data.decode(wider)
        except (ValueError, LookupError) as why:
            raise ValueError(f"not valid XML in {encoding}, which it declares: {why}") from None
        try:
            return ET.fromstring(text)
        except ET.ParseError:
            raise ValueError(f"not valid XML: {failure}") from None
