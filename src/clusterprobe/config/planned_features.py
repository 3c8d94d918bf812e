"""Features on the plan: one output tensor of one encoder, of images, crops or augmented views of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from clusterprobe.config.deviations import EXTRACTION, Deviation
from clusterprobe.config.identity import identity
from clusterprobe.config.planned import Features, Plan, PlannedEncoder, Views


def planned_features(
    plan: Plan,
    encoder: PlannedEncoder,
    output: str | None = None,
    views: Views | None = None,
    deviations: Sequence[Deviation] = (),
    crops: int = 1,
) -> Features:
    """Put features on the plan, once, and return them; `output` is that of the encoder if not given."""
    output = output or encoder.definition.output
    chosen = tuple(each for each in EXTRACTION if each in deviations)
    in_batches = "batch-statistics" in chosen
    mode = "reference" if in_batches else "eval"
    batch_size = encoder.definition.published.batch_size if in_batches else None
    what: dict[str, object] = {"encoder": encoder.id, "output": output, "mode": mode}
    slug = encoder.id.rsplit("-", 1)[0]
    if views is not None:
        what["views"], slug = asdict(views), f"{slug}-{views.count}-views"
    if chosen:
        what |= {"deviations": chosen, "batch_size": batch_size}
    if crops > 1:
        what["crops"], slug = crops, f"{slug}-{crops}-crops"
    features = Features(identity(slug, what), encoder, output, mode, views, chosen, batch_size, crops)
    return plan.features.setdefault(features.id, features)
