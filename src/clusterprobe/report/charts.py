"""Small drawings for pages, as SVG text: curves over the number of clusters, and a dendrogram."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from clusterprobe.report.pages import text

WIDTH, HEIGHT = 560, 240
_LEFT, _TOP, _RIGHT, _BOTTOM = 34, 12, 150, 34
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00")
_MOST_LEAVES = 200


def curves(
    lines: Mapping[str, Mapping[int, float]], strong: Mapping[int, float], chosen: int, of: str
) -> str:
    """Return curves over k, each scaled to its own range, the `strong` one thick, with `chosen` marked."""
    ks = sorted(strong)
    across = {k: _LEFT + (WIDTH - _LEFT - _RIGHT) * n / max(len(ks) - 1, 1) for n, k in enumerate(ks)}
    parts = [_axis(across)]
    named = {name: _scaled(line) for name, line in lines.items()}
    for number, (name, line) in enumerate(named.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        parts.append(_line(line, across, colour, 1.5))
        parts.append(_legend(number + 1, colour, name, 1.5))
    parts += [_line(strong, across, "#1b1f24", 3), _legend(0, "#1b1f24", of, 3)]
    x, y = across[chosen], _height(strong[chosen])
    parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="7" fill="none" stroke="#1b1f24" stroke-width="2"/>')
    parts.append(f'<text x="{x:.1f}" y="{y - 11:.1f}" text-anchor="middle" font-weight="700">{chosen}</text>')
    label = f"{of} by number of clusters: highest at {chosen}"
    return _svg("".join(parts), label, HEIGHT)


def cut_heights(merges: npt.NDArray[np.float64]) -> list[float]:
    """Return where, from above, a cut of `dendrogram` into 1, 2, ... clusters goes, in pixels."""
    heights = np.concatenate([[0.0], merges[:, 2], [merges[-1, 2] * 1.08 if len(merges) else 1.0]])
    between = (heights[1:] + heights[:-1]) / 2
    return [round(float(y), 1) for y in _down(between[::-1], heights[-1])]


def dendrogram(merges: npt.NDArray[np.float64], k: int) -> str:
    """Return the hierarchy of clusters with a line where it is cut into k; nothing for too many leaves."""
    leaves = len(merges) + 1
    if not 2 <= leaves <= _MOST_LEAVES:
        return ""
    order = _leaf_order(merges)
    step = (WIDTH - 20) / leaves
    x = dict(zip(order, (10 + step * (n + 0.5) for n in range(leaves)), strict=True))
    base = float(_down(np.zeros(1), 1.0)[0])
    y = dict.fromkeys(order, base)
    paths = []
    top = merges[-1, 2] * 1.08
    for number, (one, other, height, _) in enumerate(merges.tolist()):
        a, b, level = int(one), int(other), float(_down(np.array([height]), top)[0])
        paths.append(f"M{x[a]:.1f} {y[a]:.1f}V{level:.1f}H{x[b]:.1f}V{y[b]:.1f}")
        x[leaves + number], y[leaves + number] = (x[a] + x[b]) / 2, level
    labels = [
        f'<text x="{x[leaf]:.1f}" y="{base + 14:.1f}" text-anchor="middle">{leaf}</text>'
        for leaf in (order if step >= 14 else [])
    ]
    cut = f'<line id="cut" x1="0" x2="{WIDTH}" y1="0" y2="0" stroke="#d55e00" stroke-width="2" '
    cut += f'stroke-dasharray="6 4" transform="translate(0 {cut_heights(merges)[k - 1]})"/>'
    body = f'<path d="{"".join(paths)}" fill="none" stroke="#1b1f24"/>{"".join(labels)}{cut}'
    return _svg(body, f"hierarchy of {leaves} clusters, cut into {k}", HEIGHT)


def _leaf_order(merges: npt.NDArray[np.float64]) -> list[int]:
    """Return the leaves so that no two branches cross."""
    leaves = len(merges) + 1
    order: list[int] = []
    waiting = [2 * leaves - 2]
    while waiting:
        node = waiting.pop()
        if node < leaves:
            order.append(node)
        else:
            one, other = merges[node - leaves, :2].astype(int).tolist()
            waiting += [other, one]
    return order


def _down(heights: npt.NDArray[np.float64], top: float) -> npt.NDArray[np.float64]:
    """Return pixels from above; square roots, so that the low merges can be told apart."""
    share: npt.NDArray[np.float64] = np.sqrt(heights / max(top, 1e-12))
    return _TOP + (HEIGHT - _TOP - _BOTTOM) * (1 - share)


def _height(value: float) -> float:
    return _TOP + 16 + (HEIGHT - _TOP - 16 - _BOTTOM) * (1 - value)


def _scaled(line: Mapping[int, float]) -> dict[int, float]:
    low, high = min(line.values()), max(line.values())
    return {k: (value - low) / (high - low) if high > low else 0.5 for k, value in line.items()}


def _line(line: Mapping[int, float], across: Mapping[int, float], colour: str, width: float) -> str:
    points = " ".join(f"{across[k]:.1f},{_height(line[k]):.1f}" for k in sorted(line) if k in across)
    return f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="{width}"/>'


def _axis(across: Mapping[int, float]) -> str:
    base = HEIGHT - _BOTTOM
    marks = "".join(
        f'<text x="{x:.1f}" y="{base + 16}" text-anchor="middle">{k}</text>' for k, x in across.items()
    )
    line = f'<line x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{base}" y2="{base}" stroke="#9aa4af"/>'
    return f'{line}{marks}<text x="{_LEFT}" y="{HEIGHT - 4}">number of clusters</text>'


def _legend(row: int, colour: str, name: str, width: float) -> str:
    x, y = WIDTH - _RIGHT + 14, _TOP + 14 + 18 * row
    line = (
        f'<line x1="{x}" x2="{x + 18}" y1="{y - 4}" y2="{y - 4}" stroke="{colour}" stroke-width="{width}"/>'
    )
    return f'{line}<text x="{x + 24}" y="{y}">{text(name)}</text>'


def _svg(body: str, label: str, height: int) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img" '
        f'aria-label="{text(label)}">{body}</svg>'
    )
