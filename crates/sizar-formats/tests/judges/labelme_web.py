"""What datumaro makes of a few shapes as `LabelMe 3.0`: OUT -> what its own reader finds there."""

import json
import sys

import datumaro as dm
import numpy as np

out = sys.argv[1]
mask = np.zeros((30, 40), dtype=bool)
mask[3:9, 5:20] = True
mask[6, 25:28] = True
labels = ["car", "wheel", "sky, or sea"]
shapes = [
    dm.Polygon([1, 2, 20.5, 2, 20.5, 17.25], label=0, group=4, attributes={"occluded": True, "paint": "red, \"old\""}),
    dm.Bbox(2, 3, 7, 8, label=1, group=4, attributes={"spokes": 12, "flat": False}),
    dm.Mask(mask, label=2, attributes={"depth": 1.5}),
]
pixels = np.zeros((30, 40, 3), dtype=np.uint8)
item = dm.DatasetItem("book/page", subset="train", media=dm.Image.from_numpy(data=pixels), annotations=shapes)
dm.Dataset.from_iterable([item], categories=labels).export(out, "label_me", save_media=True)

found = dm.Dataset.import_from(out, "label_me")
names = [label.name for label in found.categories()[dm.AnnotationType.label]]
rows = []
for item in found:
    for shape in item.annotations:
        is_mask = shape.type == dm.AnnotationType.mask
        rows.append(
            {
                "name": names[shape.label],
                "kind": shape.type.name,
                "bbox": [float(side) for side in shape.get_bbox()],
                "area": int(shape.image.sum()) if is_mask else None,
                "grouped": shape.group != 0,
                "attributes": {name: value for name, value in shape.attributes.items() if name != "username"},
            }
        )
json.dump(rows, sys.stdout)
