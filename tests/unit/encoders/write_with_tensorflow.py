"""Files as TensorFlow writes them, for the tests; runs in the Python that has TensorFlow.

python write_with_tensorflow.py checkpoint ARRAYS.npz PREFIX        a TF1 checkpoint of these variables
python write_with_tensorflow.py resnet IMAGES.npy FEATURES.npz      a network of SimCLR, run by TensorFlow
python write_with_tensorflow.py saved-model FOLDER                  a SavedModel with the signature `encode`
python write_with_tensorflow.py hub-module FOLDER                   the same as a module of TF1 Hub
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

sys.path.insert(0, str(Path(__file__).parent))
from numpy_resnets import SimclrVariables, resnet

v1 = tf.compat.v1


class TensorflowOps:
    """The operations of numpy_resnets.Numpy, by TensorFlow."""

    @staticmethod
    def convolve(maps: Any, kernel: Any, stride: int, padding: str) -> Any:
        return tf.nn.conv2d(maps, kernel, stride, padding.upper()).numpy()

    @staticmethod
    def max_pool(maps: Any) -> Any:
        return tf.nn.max_pool2d(maps, 3, 2, "SAME").numpy()

    @staticmethod
    def mean_pool(maps: Any, stride: int, padding: str) -> Any:
        return tf.nn.avg_pool2d(maps, 2, stride, padding.upper()).numpy()

    @staticmethod
    def softmax(values: Any) -> Any:
        return tf.nn.softmax(values, axis=0).numpy()


def write_checkpoint(arrays: str, prefix: str) -> None:
    with np.load(arrays) as values, v1.Graph().as_default():
        for name in values.files:
            v1.get_variable(name, initializer=values[name], use_resource=False)
        v1.get_variable("global_step", initializer=np.int64(250228), use_resource=False)
        with v1.Session() as session:
            session.run(v1.global_variables_initializer())
            v1.train.Saver().save(session, prefix)


def write_resnet(images: str, features: str) -> None:
    variables = SimclrVariables(seed=5)
    found = resnet(np.load(images), variables, 50, 8, selective=True, ops=TensorflowOps)
    np.savez(features, features=found, **variables.arrays)


def write_saved_model(folder: str) -> None:
    module = tf.Module()
    module.kernel = tf.Variable(tf.reshape(tf.range(12.0), (3, 4)) / 10)

    @tf.function(input_signature=[tf.TensorSpec([None, None, None, 3], tf.float32, name="x")])
    def encode(x: Any) -> Any:
        mean = tf.reduce_mean(x, [1, 2])
        return {"avepool_feat": tf.matmul(mean, module.kernel), "z_mean": mean}

    tf.saved_model.save(module, folder, signatures={"encode": encode})


def write_hub_module(folder: str) -> None:
    with v1.Graph().as_default():
        images = v1.placeholder(tf.float32, [None, None, None, 3])
        kernel = v1.get_variable("kernel", initializer=np.arange(12, dtype=np.float32).reshape(3, 4) / 10)
        outputs = {"avepool_feat": tf.matmul(tf.reduce_mean(images, [1, 2]), kernel)}
        signature = v1.saved_model.signature_def_utils.predict_signature_def({"x": images}, outputs)
        with v1.Session() as session:
            session.run(v1.global_variables_initializer())
            builder = v1.saved_model.Builder(folder)
            builder.add_meta_graph_and_variables(session, [], signature_def_map={"encode": signature})
            builder.save()
    (Path(folder) / "tfhub_module.pb").write_bytes(b"\x08\x03")


if __name__ == "__main__":
    command, *arguments = sys.argv[1:]
    {
        "checkpoint": write_checkpoint,
        "resnet": write_resnet,
        "saved-model": write_saved_model,
        "hub-module": write_hub_module,
    }[command](*arguments)
