"""How a table of a benchmark of encoders is declared: data sets, columns, and an `Entry` for each row."""

from __future__ import annotations

from dataclasses import dataclass

PAPER = "kmeans_ssl"
METHODS = ("kmeans", "minibatch-kmeans")
"""Methods that a row may be made by, the first that has runs counts."""

CLEAN, AS_PUBLISHED = "clean", "published"
"""The protocols."""


@dataclass(frozen=True)
class Score:
    """Columns of a metric: ours, the name in the paper, the heading; table and data set there if others."""

    metric: str
    published: str
    title: str | None = None
    place: tuple[str, str] | None = None

    @property
    def heading(self) -> str:
        """What stands over the columns."""
        return self.title or self.published


@dataclass(frozen=True)
class Entry:
    """A row: its method in the paper, and the readable names of the encoders that stand for it here.

    Of `encoders` (if not given, the name in the paper) the first that has runs counts; `as_published` are
    those under the protocol `published`. `also`: another name in the text of the paper. `factor`: clusters
    per class.
    """

    published: str | None
    encoders: tuple[str, ...] | None = None
    as_published: tuple[str, ...] | None = None
    section: str = "self-supervised"
    factor: float = 1
    also: str | None = None

    def names(self, protocol: str) -> tuple[str, ...]:
        """Return the readable names under one protocol; none for what is only quoted."""
        own = (self.published or "",) if self.encoders is None else self.encoders
        return self.as_published if protocol == AS_PUBLISHED and self.as_published is not None else own


@dataclass(frozen=True)
class BenchmarkTable:
    """A table of the paper: data sets (names there) that clusters are fitted and scored on, columns, rows.

    `linear`: how the paper calls the quoted accuracy of linear classifiers, if the table has it.
    """

    table: str
    title: str
    fitted: str
    scored: str
    scores: tuple[Score, ...]
    entries: tuple[Entry, ...]
    linear: str | None = None
    notes: tuple[str, ...] = ()
