"""What labelme's own loader and globox read: LABELME CVAT VIA IMAGES -> one JSON document."""

import contextlib
import json
import sys
from pathlib import Path
from unittest.mock import MagicMock

from globox import AnnotationSet

# labelme's package imports its windows, which its loader of files doesn't need
for name in ("qtpy", "qtpy.QtCore", "qtpy.QtGui", "qtpy.QtWidgets"):
    sys.modules[name] = MagicMock(QT_VERSION="5.15.0")
from labelme.label_file import LabelFile  # noqa: E402

labelme, cvat, via, images = map(Path, sys.argv[1:])


def boxes(annotations):
    return sorted(
        [Path(a.image_id).name, str(b.label), b.xmin, b.ymin, b.xmax, b.ymax]
        for a in annotations
        for b in a.boxes
    )


with contextlib.redirect_stdout(sys.stderr):
    shapes = {}
    for file in sorted(labelme.rglob("*.json")):
        loaded = LabelFile(str(file))
        shapes[file.relative_to(labelme).as_posix()] = [
            [
                shape["label"],
                shape["shape_type"],
                len(shape["points"]),
                None if shape["mask"] is None else [*shape["mask"].shape, int((shape["mask"] > 0).sum())],
            ]
            for shape in loaded.shapes
        ]
    document = {
        "shapes": shapes,
        "cvat": boxes(AnnotationSet.from_cvat(cvat)),
        "via": boxes(AnnotationSet.from_via_json(via, label_key="class", image_folder=images)),
    }
json.dump(document, sys.stdout)
