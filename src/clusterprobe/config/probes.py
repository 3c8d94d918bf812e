"""What is asked of features besides clustering: probes with labels, and criteria without them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from clusterprobe.config.strict import Strict

Criterion = Literal["view_agreement", "inertia_gap", "silhouette", "stability", "generalisation"]

_KNN = {"k", "temperature"}


class ProbeOptions(Strict):
    """How a probe works; what is null follows the method."""

    k: int | None = Field(None, ge=1, description="knn: neighbours that vote; null: 200")
    temperature: float | None = Field(
        None, gt=0, description="knn: a vote weighs exp(cosine / temperature); null: 0.1"
    )
    learning_rates: list[float] | None = Field(
        None, min_length=1, description="linear: tried side by side; null: 0.001, 0.003, ..., 3"
    )
    weight_decays: list[float] | None = Field(
        None, min_length=1, description="linear: each tried with each rate; null: 0, 1e-4, 1e-3, 1e-2"
    )
    epochs: int | None = Field(
        None, ge=1, description="linear: passes over the train split, more for a small one; null: 100"
    )
    batch_size: int | None = Field(None, ge=1, description="linear: rows per step; null: 256")
    held_out: float | None = Field(
        None, gt=0, lt=1, description="linear: share of the train split that the choice rests on; null: 0.2"
    )

    def given(self) -> dict[str, Any]:
        """Return the options that are set."""
        return self.model_dump(mode="json", exclude_none=True)


class Probe(Strict):
    """A group of probes: how well labels can be read from features, by one method over encoders."""

    method: Literal["knn", "linear"] = Field(
        description="knn: weighted vote of nearest neighbours, and retrieval; linear: linear classifier"
    )
    variant: str = Field(
        "default", pattern=r"^[a-z0-9][a-z0-9.-]*$", description="word for this row of the method"
    )
    encoders: list[str] | None = Field(
        None, description="which encoders; null: all that do not go on from another one"
    )
    datasets: list[str] | None = Field(None, description="which data sets; null: all of `fit` with labels")
    output: str | None = Field(
        None, description="which tensor: pooled, head:NAME or layer:NAME; null: `output` of the encoder"
    )
    crops: Literal[1, 10] = Field(
        1,
        description="linear: 10 scores the mean of the logits of ten crops (corners, centre, and their "
        "mirror images) of the resized image; what is learnt from is the centre crop",
    )
    fractions: list[float] = Field(
        default_factory=lambda: [1.0],
        min_length=1,
        description="shares of the labels of the train split, one run for each; 0.01 is variant labels-1",
    )
    seeds: int | None = Field(None, ge=1, description="number of seeds; null: that of the experiment")
    options: ProbeOptions = Field(default_factory=ProbeOptions, description="options of the method")

    @model_validator(mode="after")
    def _options_belong_to_the_method(self) -> Probe:
        foreign = {name for name in self.options.given() if (name in _KNN) != (self.method == "knn")}
        if foreign:
            raise ValueError(f"{', '.join(sorted(foreign))} has no meaning for the method {self.method!r}")
        if self.crops > 1 and self.method != "linear":
            raise ValueError(f"crops has no meaning for the method {self.method!r}")
        if not all(0 < fraction <= 1 for fraction in self.fractions):
            raise ValueError("fractions lie above 0, and 1 is all labels")
        return self


class Criteria(Strict):
    """Label-free criteria of every run, and what they would have chosen; see docs/criteria.md."""

    names: list[Criterion] | None = Field(
        None, min_length=1, description="which criteria; null: all, view_agreement only with `augmentation`"
    )
    methods: list[str] | None = Field(
        None, description="methods whose runs are scored; null: all that saw no labels"
    )
    augmentation: list[dict[str, Any]] | None = Field(
        None, min_length=1, description="steps that make the two views of an image for view_agreement"
    )
    images: int = Field(2000, ge=10, description="images of the train split that criteria are computed on")
    dims: int = Field(50, ge=1, description="principal components that silhouettes are taken in")
    references: int = Field(5, ge=1, description="data sets without structure for the inertia gap")
    folds: int = Field(5, ge=2, description="parts of the cross-validation of generalisation")

    @model_validator(mode="after")
    def _views_are_made_somehow(self) -> Criteria:
        if "view_agreement" in (self.names or []) and not self.augmentation:
            raise ValueError("view_agreement compares two views of an image: give the `augmentation` of them")
        return self

    @property
    def chosen(self) -> list[str]:
        """The names of the criteria that are computed."""
        known = ["view_agreement", "inertia_gap", "silhouette", "stability", "generalisation"]
        possible = known if self.augmentation else known[1:]
        return list(self.names) if self.names is not None else possible
