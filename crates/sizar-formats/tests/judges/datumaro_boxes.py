"""The boxes that datumaro reads from COCO, VOC and YOLO; what it writes of them goes to a folder."""

import json
import logging
import sys
from pathlib import Path

import datumaro

logging.disable(logging.WARNING)
coco, voc, yolo, out = sys.argv[1:]


def boxes(data):
    names = [label.name for label in data.categories()[datumaro.AnnotationType.label]]
    return sorted(
        [Path(item.id).stem, names[box.label], *box.get_bbox()]
        for item in data
        for box in item.annotations
        if box.type == datumaro.AnnotationType.bbox
    )


read = {
    "coco": datumaro.Dataset.import_from(coco, "coco_instances"),
    "voc": datumaro.Dataset.import_from(voc, "voc_detection"),
    "yolo": datumaro.Dataset.import_from(yolo, "yolo"),
}
# the same conversions by its own code
for name in ("voc_detection", "yolo"):
    read["coco"].export(f"{out}/{name}", name, save_media=True)
json.dump({name: boxes(data) for name, data in read.items()}, sys.stdout)
