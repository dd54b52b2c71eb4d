"""What pycocotools loads from a list of results, and reads of what was made of it."""

import contextlib
import json
import sys

from pycocotools.coco import COCO


def rows(coco):
    made = []
    for annotation in coco.loadAnns(sorted(coco.getAnnIds())):
        image = coco.imgs[annotation["image_id"]]["file_name"]
        category = coco.cats[annotation["category_id"]]["name"]
        box = [round(float(side), 6) for side in annotation["bbox"]]
        area = round(float(annotation["area"]), 4)
        made.append([image, category, box, area, annotation["score"], annotation["iscrowd"]])
    return made


with contextlib.redirect_stdout(sys.stderr):  # pycocotools prints
    truth, results, written = sys.argv[1:]
    document = {"loaded": rows(COCO(truth).loadRes(results)), "written": rows(COCO(written))}
json.dump(document, sys.stdout)
