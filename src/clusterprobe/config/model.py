"""The configuration of one experiment."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from clusterprobe.config.datasets import Dataset
from clusterprobe.config.deviations import Deviation
from clusterprobe.config.encoders import Encoder
from clusterprobe.config.pictures import Pictures
from clusterprobe.config.probes import Criteria, Probe
from clusterprobe.config.strict import Strict

Method = Literal[
    "kmeans",
    "minibatch-kmeans",
    "spherical-kmeans",
    "scan",
    "selflabel",
    "sela",
    "relabelled",
    "mmdc",
    "deepcluster",
    "temi",
    "turtle",
    "linear",
]
KMEANS_METHODS = ("kmeans", "minibatch-kmeans", "spherical-kmeans")
HEAD_METHODS = {
    "scan": "scan",
    "selflabel": "selflabel",
    "sela": "sela",
    "relabelled": "relabelled",
    "mmdc": "mmdc",
    "deepcluster": "deepcluster",
    "temi": "temi",
    "turtle": "turtle",
    "linear": "supervised",
}
"""Methods that read the head of a trained network, and the objective that it is trained by.

`linear` with `supervised` is the upper row of comparisons: it saw the labels."""


class Reducer(Strict):
    """What stands between features and clustering."""

    name: Literal["none", "pca"] = Field("pca", description="none: the features as they are")
    dims: int | None = Field(None, ge=1, description="leading principal components; null: all")
    whiten: bool = Field(False, description="divide each component by its standard deviation")
    normalise: bool = Field(False, description="scale each row to unit length afterwards")

    @model_validator(mode="after")
    def _only_pca_reduces(self) -> Reducer:
        if self.name == "none" and (self.dims is not None or self.whiten):
            raise ValueError("`dims` and `whiten` need `name: pca`")
        return self


class KMeansOptions(Strict):
    """How k-means searches; what is null follows the method."""

    restarts: int | None = Field(
        None, ge=1, description="random starts, the best is kept; null: 10, mini-batch 1"
    )
    max_iterations: int | None = Field(None, ge=1, description="passes of Lloyd's algorithm; null: 300")
    tolerance: float | None = Field(
        None, ge=0, description="stop when centres move less, relative; null: 1e-4"
    )
    epochs: int | None = Field(None, ge=1, description="passes of the mini-batch variant; null: 60")
    batch_size: int | None = Field(
        None, ge=1, description="rows per mini-batch; null: max(2048, 2^ceil(log2 K))"
    )
    reassignment_ratio: float | None = Field(
        None,
        ge=0,
        description="mini-batch centres with a smaller share of the largest count start anew; null: 0.01",
    )

    trace: list[Annotated[int, Field(ge=1)]] | None = Field(
        None,
        min_length=1,
        description="passes (of the mini-batch variant: epochs) after which clusters are scored, too",
    )

    def given(self) -> dict[str, Any]:
        """Return the options that are set."""
        return self.model_dump(mode="json", exclude_none=True)


class Clusterings(Strict):
    """A group of runs: one method over encoders and numbers of clusters."""

    method: Method = Field(
        description="clustering method: the k-means family on features, all others by the head of an encoder"
    )
    variant: str = Field(
        "default",
        pattern=r"^[a-z0-9][a-z0-9.-]*$",
        description="word for this row of the method; of a single deviation, if not given, its name",
    )
    protocol: Literal["clean", "published"] = Field(
        "clean", description="published: as the reference code of arXiv 2008.10312 ran, see docs/protocols.md"
    )
    deviations: list[Deviation] | None = Field(
        None,
        min_length=1,
        description="of the protocol `published`, these only; null: all that the reference code has for an "
        "encoder",
    )
    encoders: list[str] | None = Field(
        None, description="which encoders; null: all that do not go on from another one"
    )
    datasets: list[str] | None = Field(None, description="which data sets are clustered; null: all")
    reducers: list[Reducer] = Field(
        default_factory=lambda: [Reducer()], min_length=1, description="one run for each"
    )
    factors: list[Annotated[float, Field(gt=0, allow_inf_nan=False)]] = Field(
        default_factory=lambda: [1.0],
        min_length=1,
        description="numbers of clusters as multiples of the number of classes",
    )
    k: list[Annotated[int, Field(ge=1)]] | None = Field(
        None, min_length=1, description="numbers of clusters, in place of factors"
    )
    seeds: int | None = Field(None, ge=1, description="number of seeds; null: that of the experiment")
    options: KMeansOptions = Field(default_factory=KMeansOptions, description="options of the method")
    extras: bool | Literal["criteria"] = Field(
        True,
        description="false: these runs are scored, and that is all: no neighbour purity, no criteria; "
        "`criteria`: these, but no purity",
    )

    @model_validator(mode="after")
    def _as_the_reference_code_could(self) -> Clusterings:
        if self.protocol == "clean":
            if self.deviations:
                raise ValueError("`deviations` need `protocol: published`")
            return self
        if self.method not in KMEANS_METHODS or any(reducer.name != "pca" for reducer in self.reducers):
            raise ValueError("`protocol: published` is principal components and k-means: choose these")
        if len(self.deviations or ()) > 1 and "variant" not in self.model_fields_set:
            raise ValueError("several deviations need a `variant`, the word for this row")
        return self

    @property
    def word(self) -> str:
        """The word for this row: the variant, or the deviation of a group with only one."""
        if self.deviations and "variant" not in self.model_fields_set:
            return self.deviations[0]
        return self.variant


class Transfer(Strict):
    """A data set that is only assigned and scored, by a label map from the classes of the fitted set."""

    dataset: str = Field(description="name of the transfer set")
    label_map: str = Field(
        description="which class there is which class here: same-names, provided (the transfer set comes "
        "with a map: ObjectNet), the name of a map that is shipped, or the path of a CSV file"
    )


class Neighbours(Strict):
    """Neighbour mining."""

    k: int = Field(20, ge=1, description="neighbours kept per image, the image itself not among them")
    approximate: bool = Field(
        False, description="search near cells only: much faster, finds 99 % of the neighbours of a sample"
    )
    purity_at: list[int] = Field(
        default_factory=lambda: [1, 5, 10, 20], description="purity is reported at these"
    )
    encoder_seeds: int = Field(
        1, ge=0, description="encoder seeds whose neighbours are mined for the purity figure"
    )

    @model_validator(mode="after")
    def _within(self) -> Neighbours:
        if max(self.purity_at, default=0) > self.k:
            raise ValueError(f"purity_at {max(self.purity_at)} exceeds k {self.k}")
        return self


class Report(Strict):
    """Which tables, figures and galleries are made; null: all that apply."""

    tables: list[str] | None = Field(None, description="names of tables")
    figures: list[str] | None = Field(None, description="names of figures")
    galleries: list[str] | None = Field(
        None, description="encoders whose default clusters are shown; null: the last"
    )


class Compute(Strict):
    """Where and how fast, never what: no value here changes a result or starts a run again."""

    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto",
        description="auto: networks use a GPU if there is one; cuda: so do components, k-means and "
        "neighbours, whose values then agree with those of a CPU to rounding errors",
    )
    gpus: int = Field(
        0,
        ge=0,
        description="GPUs of a training job, one process for each; with `device: cuda` of a k-means job, too "
        "(Lloyd's algorithm); all others use one",
    )
    workers: int = Field(0, ge=0, description="image decoding processes per job")
    batch_size: int = Field(256, ge=1, description="images per forward pass of extraction")
    resize: Literal["workers", "device"] = Field(
        "workers",
        description="who resizes images for extraction on a GPU: the processes that decode them, or the GPU, "
        "with the same bytes",
    )
    compile: bool = Field(
        False,
        description="whether networks are compiled for extraction on a GPU (torch.compile); features then "
        "agree to rounding errors",
    )
    threads: int = Field(1, ge=1, description="CPU threads of training, extraction and clustering jobs")
    memory_mb: int = Field(2000, ge=500, description="memory of these jobs; doubled at every retry")
    runtime_minutes: int = Field(60, ge=1, description="time limit of these jobs; doubled at every retry")


def _or_partial(schema: dict[str, Any]) -> None:
    """Add to the JSON schema of a section the entries that a catalogue completes before they are checked."""
    name = {"type": "string", "description": "the entry of the catalogue; the key itself if not given"}
    without_kind = [{"required": ["from"]}, {"not": {"required": ["kind"]}}]
    partial = {"type": "object", "properties": {"from": name}, "anyOf": without_kind}
    schema["additionalProperties"]["anyOf"].append(partial)


class Config(Strict):
    """One experiment: data sets x encoders x clusterings x seeds, and what is reported."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$", description="reports go to reports/{name}")
    title: str | None = Field(None, description="title of the report; the name if not given")
    datasets: dict[str, Dataset | None] = Field(
        min_length=1,
        description="data sets; what an empty entry, or one without `kind`, lacks is in config/datasets.yaml",
        json_schema_extra=_or_partial,
    )
    fit: list[str] = Field(min_length=1, description="data sets on whose train split models are fitted")
    transfer: dict[str, list[Transfer]] = Field(
        default_factory=dict,
        description="for a fitted data set, the sets that its models are carried over to",
    )
    encoders: dict[str, Encoder | None] = Field(
        min_length=1,
        description="encoders; what an empty entry, or one without `kind`, lacks is in config/encoders.yaml",
        json_schema_extra=_or_partial,
    )
    seeds: int = Field(5, ge=1, description="seeds 0, 1, ...: of encoder and clustering together")
    clusterings: list[Clusterings] = Field(min_length=1, description="groups of runs")
    probes: list[Probe] = Field(default_factory=list, description="how well labels can be read from features")
    criteria: Criteria | None = Field(None, description="choosing without labels; null: no criteria")
    neighbours: Neighbours = Field(default_factory=Neighbours, description="neighbour mining")
    report: Report = Field(default_factory=Report, description="what is made of it")
    pictures: Pictures | None = Field(
        None, description="table, gallery and model of a folder of pictures; null: none"
    )
    compute: Compute = Field(default_factory=Compute, description="resources of jobs")

    @field_validator("datasets", "encoders")
    @classmethod
    def _plain_names(cls, value: dict[str, object]) -> dict[str, object]:
        for name in value:
            if not name or not all(letter.isalnum() or letter in "-_." for letter in name) or name[0] in "-.":
                raise ValueError(f"the name {name!r} may hold only letters, digits, '-', '_' and '.'")
        return value
