"""The boxes that globox reads from a COCO file, a folder of VOC and one of YOLO labels."""

import json
import sys
from pathlib import Path

from globox import AnnotationSet


def boxes(annotations):
    rows = []
    for annotation in annotations:
        for box in annotation.boxes:
            stem = Path(annotation.image_id).stem
            rows.append([stem, str(box.label), box.xmin, box.ymin, box.xmax, box.ymax])
    return sorted(rows)


coco, voc, yolo, images = (Path(argument) for argument in sys.argv[1:])
json.dump(
    {
        "coco": boxes(AnnotationSet.from_coco(coco)),
        "voc": boxes(AnnotationSet.from_pascal_voc(voc)),
        "yolo": boxes(AnnotationSet.from_yolo_v5(yolo, image_folder=images, image_extension=".png")),
    },
    sys.stdout,
)
