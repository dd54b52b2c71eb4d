"""What pycocotools makes of masks and of a COCO file: one JSON document."""

import contextlib
import json
import sys

from pycocotools import mask
from pycocotools.coco import COCO


def text(rle):
    return rle["counts"].decode() if isinstance(rle["counts"], bytes) else rle["counts"]


def judged(cases, annotations):
    made = []
    for case in json.load(open(cases)):
        w, h = case["width"], case["height"]
        rles = mask.frPyObjects(case["rings"], h, w)
        whole = mask.merge(rles)
        made.append(
            {
                "rings": [text(rle) for rle in rles],
                "whole": text(whole),
                "area": int(mask.area(whole)),
                "bbox": [float(x) for x in mask.toBbox(whole)],
                "again": text(mask.encode(mask.decode(whole))),
            }
        )
    coco = COCO(annotations)
    read = {}
    for annotation in coco.loadAnns(coco.getAnnIds()):
        if annotation.get("segmentation"):
            rle = coco.annToRLE(annotation)
            read[annotation["id"]] = [text(rle), int(mask.area(rle))]
    names = sorted(category["name"] for category in coco.loadCats(coco.getCatIds()))
    return {"masks": made, "read": read, "images": len(coco.imgs), "names": names}


with contextlib.redirect_stdout(sys.stderr):  # pycocotools prints
    document = judged(*sys.argv[1:])
json.dump(document, sys.stdout)
