"""What torchvision and ultralytics read of what was written: IMAGEFOLDER VOC DETECT SEGMENT POSE -> JSON.

Their loaders of files make no tensors before a transform asks for one, so that torch itself, which is
gigabytes, need not be here: whatever they take from it at their start is replaced by nothing.
"""

import contextlib
import importlib.machinery
import importlib.util
import json
import os
import sys
import tempfile
import types
from collections import Counter
from pathlib import Path

# no server is looked for, and no file of the user's is written
os.environ.update(YOLO_OFFLINE="true", YOLO_CONFIG_DIR=tempfile.mkdtemp(), YOLO_VERBOSE="false")


def attribute(name):
    if name[0].isupper():
        bases = (Warning,) if name.endswith("Warning") else ()
        inside = {"__class_getitem__": classmethod(lambda made, _: made)}
        return type(name, bases, inside)
    return Nothing()


class Nothing:
    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return attribute(name)

    def __call__(self, *args, **_):
        # a decorator leaves what it decorates
        return args[0] if len(args) == 1 and callable(args[0]) else Nothing()

    def __fspath__(self):
        return "/nonexistent"


class Absent(types.ModuleType):
    __path__ = []
    __version__ = "2.5.0"

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return attribute(name)


class Finder:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "cv2", "ultralytics_thop"):
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec):
        return Absent(spec.name)

    def exec_module(self, module):
        pass


sys.meta_path.insert(0, Finder())
# torchvision's own start looks for its compiled operators; its loaders are beside it
where = Path(importlib.util.find_spec("torchvision").submodule_search_locations[0])
for name, place in (("torchvision", where), ("torchvision.datasets", where / "datasets")):
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = [str(place)]
sys.modules["torchvision._internally_replaced_utils"] = Absent("utils")

folder, voc, detect, segment, pose = map(Path, sys.argv[1:])


def image_folder():
    from torchvision.datasets.folder import ImageFolder

    found = {}
    for split in sorted(folder.iterdir()):
        loader = ImageFolder(str(split))
        samples = sorted([Path(path).name, loader.classes[at]] for path, at in loader.samples)
        found[split.name] = {"classes": loader.classes, "samples": samples}
    return found


def pascal():
    from torchvision.datasets.voc import VOCDetection, VOCSegmentation

    found = {}
    for split in ("train", "val"):
        boxes = {}
        for image, target in VOCDetection(str(voc), "2012", split):
            sides = ("xmin", "ymin", "xmax", "ymax")
            boxes[target["annotation"]["filename"]] = {
                "size": image.size,
                "objects": sorted(
                    [one["name"], *(float(one["bndbox"][side]) for side in sides)]
                    for one in target["annotation"]["object"]
                ),
            }
        masks = VOCSegmentation(str(voc), "2012", split)
        pixels = {
            Path(masks.images[at]).name: [mask.mode, mask.size, sorted(Counter(mask.tobytes()))]
            for at, (_, mask) in enumerate(masks)
        }
        found[split] = {"boxes": boxes, "masks": pixels}
    return found


def yolo(root, points=0, dimensions=0):
    import yaml
    from ultralytics.data.utils import img2label_paths, verify_image_label

    data = yaml.safe_load((root / "data.yaml").read_text())
    names = data["names"]
    names = names if isinstance(names, list) else [names[at] for at in sorted(names)]
    assert not points or data["kpt_shape"] == [points, dimensions], data
    found = {}
    for split in ("train", "val"):
        images = sorted(str(path) for path in (root / data[split]).rglob("*.png"))
        for image, label in zip(images, img2label_paths(images)):
            words = (image, label, "", bool(points), len(names), points, dimensions, False)
            file, rows, shape, segments, keypoints, missing, _, _, corrupt, said = verify_image_label(words)
            assert not (missing or corrupt or said), said
            found[Path(file).name] = {
                "split": split,
                "size": [int(side) for side in shape],
                "boxes": [[names[int(row[0])], *map(float, row[1:])] for row in rows],
                "segments": [len(one) for one in segments],
                "keypoints": [] if keypoints is None else keypoints.tolist(),
            }
    return found


with contextlib.redirect_stdout(sys.stderr):
    document = {
        "imagefolder": image_folder(),
        "voc": pascal(),
        "detect": yolo(detect),
        "segment": yolo(segment),
        "pose": yolo(pose, 2, 3),
    }
json.dump(document, sys.stdout)
