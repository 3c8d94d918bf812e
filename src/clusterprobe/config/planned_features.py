"""Features on the plan: one output tensor of one encoder, of images or of augmented views of them."""

from __future__ import annotations

from dataclasses import asdict

from clusterprobe.config.identity import identity
from clusterprobe.config.planned import Features, Plan, PlannedEncoder, Views


def planned_features(
    plan: Plan, encoder: PlannedEncoder, output: str | None = None, views: Views | None = None
) -> Features:
    """Put features on the plan, once, and return them; `output` is that of the encoder if not given."""
    output = output or encoder.definition.output
    what: dict[str, object] = {"encoder": encoder.id, "output": output, "mode": "eval"}
    slug = encoder.id.rsplit("-", 1)[0]
    if views is not None:
        what["views"], slug = asdict(views), f"{slug}-{views.count}-views"
    features_id = identity(slug, what)
    return plan.features.setdefault(features_id, Features(features_id, encoder, output, views=views))
