# Checks shims against the libraries that they mend, in the newest releases.

import os
import sys
import warnings

warnings.simplefilter("ignore")
FOLDER = sys.argv[1]
os.chdir(FOLDER)

import numpy as np

assert np.float is float and np.int is int and np.object is object
assert np.float_ is np.float64 and np.Inf == np.inf and np.asscalar(np.array(3)) == 3
np.save("objects.npy", np.array([{"a": 1}], dtype=object))
assert np.load("objects.npy")[0] == {"a": 1}

import yaml

assert yaml.load("a: [1, 2]") == {"a": [1, 2]}

from scipy.misc import comb, imread, imresize, imsave, logsumexp

picture = np.arange(12 * 10 * 3).reshape(12, 10, 3) % 256
imsave("picture.png", picture.astype(np.uint8))
assert (imread("picture.png") == picture).all()
assert imresize(imread("picture.png"), (6, 5)).shape == (6, 5, 3)
assert imresize(imread("picture.png"), 50).shape == (6, 5, 3)
assert imresize(imread("picture.png"), 0.5).shape == (6, 5, 3)
assert comb(5, 2) == 10 and abs(logsumexp([0, 0]) - np.log(2)) < 1e-9

from sklearn.externals import joblib
from sklearn.externals.six import iteritems

joblib.dump([1, 2], "list.joblib")
assert joblib.load("list.joblib") == [1, 2] and list(iteritems({1: 2})) == [(1, 2)]

from PIL import Image, ImageDraw, ImageFont

small = Image.open("picture.png").resize((4, 4), Image.ANTIALIAS)
assert ImageDraw.Draw(small).textsize("ab")[0] > 0
assert ImageFont.load_default().getsize("ab")[0] > 0

import pandas as pd

frame = pd.DataFrame({"a": [1, 2], "b": ["x", "y"]})
longer = frame.append({"a": 3, "b": "z"}, ignore_index=True)
assert list(longer["a"]) == [1, 2, 3] and list(longer["b"]) == ["x", "y", "z"]
assert longer["a"].dtype.kind == "i", longer.dtypes
assert len(frame.append(frame)) == 4 and len(frame["a"].append(frame["a"])) == 4
assert [name for name, _ in frame.iteritems()] == ["a", "b"]
assert frame.as_matrix().shape == (2, 2)
by_name = frame.set_index("b")
assert by_name.ix["x"]["a"] == 1 and by_name.ix[0]["a"] == 1 and frame.ix[1, "a"] == 2

import networkx as nx

graph = nx.Graph([(1, 2), (3, 4)])
assert graph.node[1] == {} and len(list(nx.connected_component_subgraphs(graph))) == 2
assert nx.from_numpy_matrix(np.eye(2)).number_of_nodes() == 2
nx.write_gpickle(graph, "graph.pickle")
assert nx.read_gpickle("graph.pickle").number_of_nodes() == 4

from skimage.measure import compare_psnr, compare_ssim

assert compare_ssim(picture, picture, multichannel=True, data_range=255, win_size=3) == 1
assert compare_psnr(picture, picture + 1, data_range=255) > 40

import cv2

cv2.imshow("window", picture.astype(np.uint8))
for _ in range(1000):
    if cv2.waitKey(0) & 0xFF == ord("q"):
        break
else:
    raise AssertionError("a loop that waits for a key would never end")
cv2.destroyAllWindows()

import matplotlib

matplotlib.use("TkAgg")
import matplotlib.pyplot as plt

plt.switch_backend("Qt5Agg")
plt.plot([1, 2])
plt.savefig("plot.png")
plt.show()
assert matplotlib.get_backend().lower() == "agg"
print("all good")
