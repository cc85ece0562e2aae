"""Folders in Pascal VOC's layout."""

import cv2
import numpy as np

XML = """<annotation><filename>{name}{suffix}</filename>
<size><width>64</width><height>48</height><depth>3</depth></size>{objects}</annotation>"""


OBJECT = """<object><name>{}</name><difficult>{}</difficult><bndbox><xmin>{}</xmin><ymin>{}</ymin>
<xmax>{}</xmax><ymax>{}</ymax></bndbox></object>"""


def write(root, name, objects, suffix=".jpg"):
    for folder in ("Annotations", "JPEGImages", "ImageSets/Main"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    body = "".join(OBJECT.format(*o) for o in objects)
    text = XML.format(name=name, suffix=suffix, objects=body)
    (root / "Annotations" / f"{name}.xml").write_text(text)
    cv2.imwrite(str(root / "JPEGImages" / f"{name}{suffix}"), np.zeros((48, 64, 3), np.uint8))
