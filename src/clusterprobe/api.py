"""Clustering in a notebook: arrays in, labels out, as scikit-learn does it, by the code of the workflow.

from clusterprobe.api import Clusterer
clusterer = Clusterer(k=10, encoder="simclr").fit(images)
clusterer.labels_, clusterer.predict(more_images)
"""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from clusterprobe.cluster.kmeans import KMeansModel, assign, fit_kmeans
from clusterprobe.config.errors import UserError
from clusterprobe.config.own_pictures import CRITERIA, candidate_sizes, pixels, pretext
from clusterprobe.evaluate.choosing import agreed
from clusterprobe.evaluate.criteria import (
    Found,
    Sample,
    generalisation,
    principal,
    sampled,
    silhouette,
    stability,
)
from clusterprobe.features.scaling import unit_length
from clusterprobe.store.rows import ArrayRows, Float32

Array = npt.NDArray[Any]

_SEEDS, _SAMPLE, _DIMS = 3, 2000, 50


class Clusterer:
    """k-means on features of images.

    Args:
        k: number of clusters, or "auto": where silhouette, stability and generalisation agree most.
        encoder: None: the rows given are features [N, D]; "pixels"; "simclr": trained on the images given to
            `fit`; or a folder with an encoder, such as `model/encoder` of a result.
        method: kmeans, or spherical-kmeans.
        epochs: of a training; None: by the number of images.
        restarts: random starts, the best is kept.
        random_state: seed of everything that is random.

    Images are uint8 [N, H, W] or [N, H, W, 3]. After `fit`: labels_ int32 [N], cluster_centers_ float32
    [K, D], k_, inertia_, n_features_in_, criteria_ (by name and k, where k was chosen) and encoder_.
    """

    def __init__(
        self,
        k: int | str = 8,
        *,
        encoder: str | Path | None = None,
        method: str = "kmeans",
        epochs: int | None = None,
        restarts: int = 10,
        random_state: int = 0,
    ) -> None:
        self.k = k
        self.encoder = encoder
        self.method = method
        self.epochs = epochs
        self.restarts = restarts
        self.random_state = random_state

    def fit(self, X: Array, y: object = None) -> Clusterer:
        """Find the clusters of images or features; raises UserError for what cannot be clustered."""
        if self.method not in ("kmeans", "spherical-kmeans"):
            raise UserError(f"unknown method {self.method!r}: choose kmeans or spherical-kmeans")
        self.encoder_ = _make_encoder(self.encoder, np.asarray(X), self.epochs, self.random_state)
        rows = ArrayRows(self._features(X))
        self.criteria_: dict[str, dict[int, float]] = {}
        self.k_ = self._choose(rows) if self.k == "auto" else _number(self.k)
        self.model_ = self._fit(rows, self.k_, self.random_state)
        self.cluster_centers_, self.inertia_ = self.model_.centres, self.model_.inertia
        self.n_features_in_ = rows.shape[1]
        self.labels_ = assign(rows, self.model_).cluster
        return self

    def predict(self, X: Array) -> npt.NDArray[np.int32]:
        """Return the cluster int32 [N] of each image or row."""
        return assign(ArrayRows(self._features(X)), self._fitted()).cluster

    def fit_predict(self, X: Array, y: object = None) -> npt.NDArray[np.int32]:
        """Find the clusters of X and return that of each row."""
        return self.fit(X).labels_

    def transform(self, X: Array) -> Float32:
        """Return the distance float32 [N, K] of each row to each centre (1 - cosine if spherical)."""
        model, values = self._fitted(), self._features(X).astype(np.float64)
        centres = model.centres.astype(np.float64)
        if model.spherical:
            return (1 - unit_length(values.astype(np.float32)) @ model.centres.T).astype(np.float32)
        found = [np.linalg.norm(values - centre, axis=1) for centre in centres]
        return np.stack(found, axis=1).astype(np.float32)

    def score(self, X: Array, y: object = None) -> float:
        """Return minus the sum of squared distances to the nearest centre (of 1 - cosine if spherical)."""
        distances = assign(ArrayRows(self._features(X)), self._fitted()).distance.astype(np.float64)
        return -float(distances.sum() if self.model_.spherical else (distances**2).sum())

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the arguments of this object by name."""
        names = [name for name in inspect.signature(type(self).__init__).parameters if name != "self"]
        return {name: getattr(self, name) for name in names}

    def set_params(self, **params: Any) -> Clusterer:
        """Change arguments; raises ValueError for an unknown name."""
        for name, value in params.items():
            if name not in self.get_params():
                raise ValueError(f"Clusterer has no argument {name!r}: it has {', '.join(self.get_params())}")
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        return f"Clusterer({', '.join(f'{name}={value!r}' for name, value in self.get_params().items())})"

    def _fitted(self) -> KMeansModel:
        if not hasattr(self, "model_"):
            raise UserError("this Clusterer is not fitted yet: call `fit` first")
        return self.model_

    def _features(self, X: Array) -> Float32:
        values = np.asarray(X)
        if not hasattr(self, "encoder_"):
            raise UserError("this Clusterer is not fitted yet: call `fit` first")
        return _as_rows(values) if self.encoder_ is None else _encode(self.encoder_, values)

    def _fit(self, rows: ArrayRows, k: int, seed: int) -> KMeansModel:
        return fit_kmeans(rows, k, seed, spherical=self.method == "spherical-kmeans", restarts=self.restarts)

    def _choose(self, rows: ArrayRows) -> int:
        """Return the number of clusters where the criteria agree most, and keep their curves."""
        chosen = sampled(rows.shape[0], _SAMPLE, 0)
        axes = principal(rows.take(chosen), _DIMS)
        for k in candidate_sizes(rows.shape[0]):
            seeds = range(self.random_state, self.random_state + _SEEDS)
            found = [assign(rows, self._fit(rows, k, seed)).cluster.astype(np.int64) for seed in seeds]
            sample = Found(found[0][chosen])
            values = {
                "silhouette": silhouette(Sample(axes, sample, k)),
                "stability": float(np.mean(stability([Found(each) for each in found], k))),
                "generalisation": generalisation(Sample(rows.take(chosen), sample, k), CRITERIA["folds"], 0),
            }
            for name, value in values.items():
                self.criteria_.setdefault(name, {})[k] = value
        agreement = agreed(self.criteria_)
        return max(agreement, key=lambda k: (agreement[k], -k))


def _number(k: int | str) -> int:
    if isinstance(k, str):
        raise UserError(f'k is {k!r}: give a number, or "auto"')
    return int(k)


def _as_rows(values: Array) -> Float32:
    if values.ndim != 2:
        raise UserError(
            f"features are [N, D], not {list(values.shape)}: "
            "of images say encoder='simclr' or encoder='pixels'"
        )
    return np.ascontiguousarray(values, dtype=np.float32)


def _make_encoder(encoder: str | Path | None, images: Array, epochs: int | None, seed: int) -> Any:
    """Return the encoder that is asked for, trained on images [N, H, W(, 3)] if it has to be."""
    if encoder is None:
        return None
    from clusterprobe.encoders.canonical import load_encoder, untrained_encoder
    from clusterprobe.encoders.preprocessing import Preprocessing

    if encoder == "pixels":
        values = Preprocessing.from_dict(pixels()["preprocessing"])
        return untrained_encoder("pixels", {"size": values.size, "channels": 3}, 0, values)
    if encoder == "simclr":
        return _train(images, epochs, seed)
    if not (Path(encoder) / "encoder.json").is_file():
        raise UserError(f"encoder {str(encoder)!r}: say simclr, pixels, or a folder with encoder.json")
    return load_encoder(Path(encoder))


def _train(images: Array, epochs: int | None, seed: int) -> Any:
    """Return SimCLR's network, trained on images as the workflow trains it."""
    from pydantic import TypeAdapter

    from clusterprobe.config.encoders import TrainedEncoder
    from clusterprobe.encoders.canonical import ArchitectureRecord, Encoder, EncoderRecord
    from clusterprobe.encoders.preprocessing import Preprocessing
    from clusterprobe.images.batches import from_array
    from clusterprobe.objectives.loading import load_objective
    from clusterprobe.store.devices import visible_devices
    from clusterprobe.train.job import Data, train_encoder

    entry = TypeAdapter(TrainedEncoder).validate_python(pretext(len(images), bool(visible_devices())))
    preprocessing = Preprocessing.from_dict(entry.preprocessing.resolved())
    names = {"objective", "architecture", "head", "augmentation", "optimiser", "schedule", "batch_size"}
    job = entry.model_dump(mode="json", include=names)
    job |= {"preprocessing": preprocessing.to_dict(), "epochs": epochs or entry.epochs, "seed": seed}
    data = Data(from_array(np.stack([preprocessing.apply(_picture(image)) for image in images])))
    trained = train_encoder(job, data, load_objective("simclr"))
    architecture = ArchitectureRecord(entry.architecture.name, entry.architecture.options)
    source = {"kind": "trained", "objective": job["objective"], "seed": seed}
    record = EncoderRecord(architecture, trained.body.width, preprocessing, source=source, seen="same")
    return Encoder(record, trained.body, {})


def _encode(encoder: Any, images: Array, batch: int = 256) -> Float32:
    """Return the features float32 [N, D] of images, scaled to unit length unless they are pixels."""
    import torch

    preprocessing, parts = encoder.record.preprocessing, []
    encoder.body.eval()
    with torch.inference_mode():
        for first in range(0, len(images), batch):
            block = np.stack(
                [preprocessing.apply(_picture(image)) for image in images[first : first + batch]]
            )
            parts.append(encoder.body(preprocessing.normalise(torch.from_numpy(block))).float().numpy())
    values = np.concatenate(parts)
    return values if encoder.record.architecture.name == "pixels" else unit_length(values)


def _picture(image: Array) -> Any:
    from PIL import Image

    if image.dtype != np.uint8 or not (image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 3)):
        raise UserError(
            f"images are uint8 [N, H, W] or [N, H, W, 3], not {image.dtype} {list(image.shape)} each: "
            "scale to 0 .. 255 and drop transparency"
        )
    return Image.fromarray(image)
