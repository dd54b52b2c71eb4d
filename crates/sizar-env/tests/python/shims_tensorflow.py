# Checks the shim `cpu` against a real TensorFlow, 1 or 2, on a machine without CUDA.

from __future__ import print_function

import os

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import tensorflow as tf

v1 = tf.compat.v1
with tf.Graph().as_default() as graph:
    with v1.device("/gpu:0"):
        a = tf.constant([1.0]) * 2
    with graph.device("/device:GPU:1"):
        b = tf.constant(3.0) + a
    with graph.device(lambda operation: "/gpu:0"):
        c = b + 1
    with v1.Session(config=v1.ConfigProto(gpu_options=v1.GPUOptions(allow_growth=True))) as session:
        assert session.run(c)[0] == 6
    assert "GPU" not in a.device.upper()
    saved = graph.as_graph_def()

# a graph that was saved on a GPU names it in each of its operations
for node in saved.node:
    node.device = "/device:GPU:0"
with tf.Graph().as_default() as graph:
    (again,) = tf.import_graph_def(saved, return_elements=[c.name], name="")
    with v1.Session() as session:
        assert session.run(again)[0] == 6

if tf.__version__.startswith("2."):
    with tf.device("/GPU:0"):
        assert "CPU" in tf.constant(1.0).device
try:
    with tf.Graph().as_default():
        tf.reshape(tf.constant([1, 2, 3]), [2, 2])
except (ValueError, tf.errors.InvalidArgumentError):
    print("all good")
