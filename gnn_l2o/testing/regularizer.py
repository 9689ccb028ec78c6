"""The contract of regularizers."""

from __future__ import annotations

import torch
from torch import Tensor

from gnn_l2o.problems.regularizers import Regularizer
from gnn_l2o.testing.expect import expect, expect_close

ROWS, SEARCHES = 4, 300
ROUNDING = 1e-9
H = 1e-6  # of finite differences


def check_regularizer(regularizer: Regularizer, *, dim: int = 6) -> None:
    r"""Check that a regularizer keeps the contract of :class:`~gnn_l2o.problems.regularizers.Regularizer`.

    - ``value`` is convex, and ``prox`` ends in its domain;
    - the prox minimizes :math:`\phi(x) = r(x) + \frac12 \|x - v\|^2_{P^{-1}}`: at every other point,
      :math:`\phi(x + d) \ge \phi(x) + \frac12 \|d\|^2_{P^{-1}}`;
    - the prox is firmly non-expansive in the metric :math:`P^{-1}`, takes p as a number, row or matrix, and can be
      differentiated;
    - ``min_norm_subgradient`` vanishes at minimizers, and elsewhere minus that is the direction of steepest descent;
    - r is smooth in the coordinates that ``free`` marks;
    - rows of parameters follow ``at``, ``repeat`` and ``concatenate``; single precision stays single.

    Args:
        regularizer: with the parameters to check.
        dim: d, which groups of coordinates may ask for.

    Raises:
        AssertionError: the contract is violated; the message says how.
    """
    name, generator = type(regularizer).__name__, torch.Generator().manual_seed(0)
    rows = next((v.size(0) for v in vars(regularizer).values() if isinstance(v, Tensor)), ROWS)

    def draw(*size: int) -> Tensor:
        return torch.randn(*size, generator=generator, dtype=torch.float64)

    v, p = 2 * draw(rows, dim), 0.2 + 2 * draw(rows, dim).abs()
    _check_shapes(name, regularizer, v, p)
    _check_minimizer(name, regularizer, v, p, draw)
    _check_subgradient(name, regularizer, v, p, draw)
    _check_rows(name, regularizer, v, p)
    v.requires_grad_()
    smooth = torch.autograd.gradcheck(lambda w: regularizer.prox(w, p), (v,), raise_exception=False)
    expect(smooth, f"{name}: the derivative of prox is not that of its values; training differentiates through it")


def _check_shapes(name: str, r: Regularizer, v: Tensor, p: Tensor) -> None:
    before = v.clone()
    x = r.prox(v, p)
    expect(torch.equal(v, before), f"{name}: prox changes its argument")
    shapes = {
        "value": (r.value(x), v.shape[:1]),
        "prox": (x, v.shape),
        "min_norm_subgradient": (r.min_norm_subgradient(x, v), v.shape),
        "free": (r.free(x), v.shape),
    }
    for what, (got, wanted) in shapes.items():
        expect(got.shape == wanted, f"{name}: {what} has shape {tuple(got.shape)}, expected {tuple(wanted)}")
    expect(r.free(x).dtype == torch.bool, f"{name}: free must return bool, got {r.free(x).dtype}")
    expect(isinstance(r.kind, str), f"{name}: kind must be a text, got {r.kind!r}")
    expect_close(r.prox(v, p[:, :1]), r.prox(v, p[:, :1].expand_as(v)), ROUNDING, f"{name}: prox, p a row or a matrix")
    expect_close(r.prox(v, 0.3), r.prox(v, torch.full_like(v, 0.3)), ROUNDING, f"{name}: prox, p a number or a matrix")
    single = r.to(dtype=torch.float32)
    found = single.prox(v.float(), p.float())
    for what, value in {"prox": found, "value": single.value(found)}.items():
        expect(value.dtype == torch.float32, f"{name}: {what} of single precision is {value.dtype}")
    expect_close(found.double(), x, 1e-4, f"{name}: prox in single and double precision")


def _check_minimizer(name: str, r: Regularizer, v: Tensor, p: Tensor, draw: object) -> None:
    x = r.prox(v, p)
    expect(bool(r.value(x).isfinite().all()), f"{name}: prox ends outside the domain, where r is infinite")

    def objective(point: Tensor) -> Tensor:
        return r.value(point) + 0.5 * ((point - v).square() / p).sum(dim=1)

    at_x = objective(x)
    for d in _moves(x, v, draw):
        excess = objective(x + d) - at_x - 0.5 * (d.square() / p).sum(dim=1)
        worst = float(excess.min())
        expect(
            worst >= -ROUNDING * (1 + float(at_x.abs().max())),
            f"{name}: prox does not minimize r(x) + |x - v|^2 / (2 p): at a distance of {float(d.norm()):.2g} the "
            f"objective is smaller than strong convexity allows, by {-worst:.3g}",
        )
    other = _draw(draw, v)
    u, y = r.prox(other, p), x
    moved, apart = ((u - y).square() / p).sum(dim=1), ((u - y) * (other - v) / p).sum(dim=1)
    firm = bool((moved <= apart + ROUNDING * (1 + apart.abs())).all())
    expect(firm, f"{name}: prox is not firmly non-expansive in the metric 1/p")
    middle = r.value((x + u) / 2) - (r.value(x) + r.value(u)) / 2
    convex = bool((middle <= ROUNDING * (1 + r.value(x).abs() + r.value(u).abs())).all())
    expect(convex, f"{name}: value is not convex, r((x + y) / 2) exceeds the mean by {float(middle.max()):.3g}")


def _moves(x: Tensor, v: Tensor, draw: object) -> list[Tensor]:
    """Return moves away from x: back to v, along the coordinates, and random ones, of many lengths."""
    moves = [v - x, -x, 0.01 * (v - x)]
    for k in range(x.size(1)):
        unit = torch.zeros_like(x)
        unit[:, k] = 1.0
        moves += [sign * length * unit for sign in (1, -1) for length in (1e-3, 0.03, 0.3)]
    return moves + [10.0 ** (-3 * k / SEARCHES) * _draw(draw, x) for k in range(SEARCHES)]


def _check_subgradient(name: str, r: Regularizer, v: Tensor, p: Tensor, draw: object) -> None:
    x = r.prox(v, p)
    left = float(r.min_norm_subgradient(x, (x - v) / p).abs().max())
    expect(left <= 1e-8, f"{name}: min_norm_subgradient must vanish at prox(v), which minimizes; got {left:.3g}")
    x = r.prox(0.5 * v, 1.0)  # on kinks and off them
    g = _draw(draw, v)
    s = r.min_norm_subgradient(x, g)
    norm = s.norm(dim=1)

    def slope(direction: Tensor) -> Tensor:
        return (g * direction).sum(dim=1) + (r.value(x + H * direction) - r.value(x)) / H

    steepest = slope(-s / norm.clamp(min=1e-12).unsqueeze(1))
    off = float((steepest + norm).abs().max())
    expect(
        off <= 1e-4 * (1 + float(norm.max())),
        f"{name}: along minus min_norm_subgradient s, f + r must fall with slope |s|; off by {off:.3g}",
    )
    for _ in range(SEARCHES):
        direction = _draw(draw, v)
        direction = direction / direction.norm(dim=1, keepdim=True)
        steeper = float((-norm - slope(direction)).max())
        expect(
            steeper <= 1e-4 * (1 + float(norm.max())),
            f"{name}: min_norm_subgradient is too short: a direction is steeper by {steeper:.3g}",
        )
    for k in range(x.size(1)):
        step = torch.zeros_like(x)
        step[:, k] = H
        bend = ((r.value(x + step) + r.value(x - step) - 2 * r.value(x)) / H).abs()
        rough = bool(((bend > 1e-3) & r.free(x)[:, k]).any())
        expect(not rough, f"{name}: free marks a coordinate in which r has a kink")


def _check_rows(name: str, r: Regularizer, v: Tensor, p: Tensor) -> None:
    count, x = v.size(0), r.prox(v, p)
    flipped = torch.arange(count - 1, -1, -1)
    expect_close(r.at(flipped).prox(v.flip(0), p.flip(0)), x.flip(0), ROUNDING, f"{name}: prox of at(rows) by rows")
    twice = r.repeat(2).prox(torch.cat([v, v]), torch.cat([p, p]))
    expect_close(twice, torch.cat([x, x]), ROUNDING, f"{name}: prox of repeat(2)")
    joined = Regularizer.concatenate([r, r], [count, count])
    expect_close(joined.prox(torch.cat([v, v]), torch.cat([p, p])), torch.cat([x, x]), ROUNDING, f"{name}: prox joined")
    values = torch.cat([r.value(x), r.value(x)])
    expect_close(joined.value(torch.cat([x, x])), values, ROUNDING, f"{name}: value joined")


def _draw(draw: object, like: Tensor) -> Tensor:
    assert callable(draw)
    result: Tensor = draw(*like.shape)
    return result
