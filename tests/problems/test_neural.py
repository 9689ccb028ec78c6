"""Neural networks as decentralized problems."""

import copy
import functools
import sys
from itertools import combinations
from typing import Any

import networkx as nx
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from gnn_l2o._utils.errors import InputError
from gnn_l2o._utils.fingerprint import fingerprint
from gnn_l2o.algorithms.base import spent
from gnn_l2o.algorithms.driver import run
from gnn_l2o.graph.network import Network
from gnn_l2o.handcrafted import DSGD
from gnn_l2o.problems import MLP, LeastSquares, NeuralNetwork, ResNet, Stochastic, neural, solve
from gnn_l2o.problems.regularizers import L1
from gnn_l2o.training.pool import Batch

SIZES = (5, 3, 7)


class Small(nn.Sequential):
    """4 coordinates to 3 classes, 31 parameters."""

    def __init__(self) -> None:
        super().__init__(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 4, bias=False), nn.Linear(4, 1))


class Classifier(nn.Sequential):
    def __init__(self) -> None:
        super().__init__(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 3))


class Normalized(nn.Sequential):
    def __init__(self) -> None:
        super().__init__(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Tanh(), nn.Linear(3, 3))


def shards(sizes: tuple[int, ...] = SIZES, *, classes: bool = True, seed: int = 0) -> list[tuple[Tensor, Tensor]]:
    random = torch.Generator().manual_seed(seed)
    features = [torch.randn(m, 4, generator=random) for m in sizes]
    return [(f, torch.randint(3, (len(f),), generator=random) if classes else f[:, :1].sin()) for f in features]


def classifier(sizes: tuple[int, ...] = SIZES, *, seed: int = 0, **kwargs: Any) -> NeuralNetwork:
    torch.manual_seed(seed)
    module = kwargs.pop("module", None) or Classifier()
    return NeuralNetwork.from_nodes(module, F.cross_entropy, shards(sizes, seed=seed), **kwargs)


def oracle(module: nn.Module, loss: Any, data: list[tuple[Tensor, Tensor]], x: Tensor) -> tuple[Tensor, Tensor]:
    """Losses and gradients by a loop over nodes, each with a copy of the module."""
    losses, gradients = [], []
    for (features, targets), row in zip(data, x, strict=True):
        own = copy.deepcopy(module).train()
        vector_to_parameters(row, own.parameters())
        value = loss(own(features), targets)
        losses.append(value.detach())
        gradients.append(parameters_to_vector(torch.autograd.grad(value, list(own.parameters()))))
    return torch.stack(losses).unsqueeze(1), torch.stack(gradients)


def test_the_networks_of_the_paper_have_its_numbers_of_parameters() -> None:
    for module, count in ((MLP(), 13002), (ResNet(), 78042), (ResNet(normalization="group"), 78042)):
        assert sum(p.numel() for p in module.parameters()) == count
    assert MLP()(torch.randn(2, 1, 28, 28)).shape == (2, 10)
    assert ResNet()(torch.randn(2, 3, 32, 32)).shape == (2, 10)


CASES: dict[str, tuple[type[nn.Module], Any, Any, bool]] = {
    "function": (Classifier, F.cross_entropy, F.cross_entropy, True),
    "module": (Classifier, nn.CrossEntropyLoss(), F.cross_entropy, True),
    "no reduction": (Classifier, functools.partial(F.cross_entropy, reduction="none"), F.cross_entropy, True),
    "weights": (
        Classifier,
        nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0, 0.5]).double()),
        lambda out, y: (F.cross_entropy(out, y, reduction="none") * torch.tensor([1.0, 2.0, 0.5])[y]).mean(),
        True,
    ),
    "one's own": (Classifier, lambda out, y: -out.log_softmax(1)[:, y[0]].sum(), F.cross_entropy, True),
    "regression": (Small, F.mse_loss, F.mse_loss, False),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("chunk", [neural.CHUNK, 3])
def test_losses_and_gradients_are_those_of_every_node_alone(
    case: str, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(neural, "CHUNK", chunk)
    make, criterion, mean_loss, classes = CASES[case]
    module, data = make(), shards(classes=classes)
    problem = NeuralNetwork.from_nodes(module, criterion, data)
    for record in (False, True, True):  # the third finds what the second has recorded
        x = problem.initial_point() + 0.3 * torch.randn(3, problem.dim)
        loss, gradient = oracle(module, mean_loss, data, x)
        with torch.set_grad_enabled(not record):
            torch.testing.assert_close(problem.loss(x), loss, rtol=1e-12, atol=1e-12)
            torch.testing.assert_close(problem.gradient(x), gradient, rtol=1e-12, atol=1e-12)
    assert len(problem.function._recorded) == (1 if chunk > max(SIZES) else 2)
    few = problem.subsample(torch.tensor([[0, 1]] * 3))
    with torch.no_grad():
        recorded = few.gradient(x)
    torch.testing.assert_close(recorded, few.gradient(x), rtol=1e-12, atol=1e-12)


def test_all_nodes_start_with_the_modules_parameters() -> None:
    module = Classifier()
    problem = classifier(module=module)
    assert torch.equal(problem.initial_point(), parameters_to_vector(module.parameters()).detach().expand(3, -1))
    batch = Batch(problem, Network.from_networkx(nx.path_graph(3)), torch.zeros(1), torch.ones(1))
    assert torch.equal(batch.x0, problem.initial_point())
    linear = LeastSquares.from_nodes([torch.ones(1, 2)] * 3, [torch.ones(1)] * 3, L1(0.1))
    assert torch.equal(linear.initial_point(), torch.zeros(3, 2))


def test_convolutions_too() -> None:
    module = ResNet(widths=(8, 16), normalization="group").double()
    data = [(torch.randn(m, 3, 6, 6), torch.randint(10, (m,))) for m in (2, 3)]
    problem = NeuralNetwork.from_nodes(module, F.cross_entropy, data)
    x = problem.initial_point() + 0.01 * torch.randn(2, problem.dim)
    loss, gradient = oracle(module, F.cross_entropy, data, x)
    torch.testing.assert_close(problem.loss(x), loss)
    torch.testing.assert_close(problem.gradient(x), gradient)


def test_gradients_can_be_differentiated() -> None:
    problem = NeuralNetwork.from_nodes(Small(), F.mse_loss, shards(classes=False))
    x = problem.initial_point().requires_grad_()
    assert torch.autograd.gradcheck(problem.gradient, (x,))


def hessians(problem: NeuralNetwork, x: Tensor) -> Tensor:
    """(N, d, d), by differentiating the losses twice."""
    dense = torch.func.hessian(lambda u: problem.loss(u).sum())(x)
    return torch.stack([dense[i, :, i] for i in range(len(x))])


def test_the_hessian_is_that_of_the_average_loss() -> None:
    problem = NeuralNetwork.from_nodes(Small(), F.mse_loss, shards(classes=False)).repeat(2)
    free = torch.tensor([0, 3, 17])
    x = problem.initial_point()[0] + 0.1
    expected = hessians(problem, x.repeat(6, 1))[:3].mean(dim=0)[free][:, free]
    torch.testing.assert_close(problem.hessian(x, 1, free), expected)


def test_curvature_is_estimated_at_the_start() -> None:
    problem = NeuralNetwork.from_nodes(Small(), F.mse_loss, shards(classes=False))
    dense = hessians(problem, problem.initial_point())
    largest = torch.linalg.eigvalsh(dense).abs().amax(dim=1, keepdim=True)
    torch.testing.assert_close(problem.smoothness(), largest, rtol=1e-2, atol=0)
    signs = 2.0 * torch.randint(2, (problem.dim,), generator=torch.Generator().manual_seed(0)) - 1
    mean = (dense @ signs @ signs / problem.dim).unsqueeze(1)
    torch.testing.assert_close(problem.mean_curvature(), mean, rtol=1e-4, atol=1e-6)


def test_what_was_measured_or_recorded_is_no_part_of_the_fingerprint() -> None:
    problem, stochastic = classifier(), Stochastic(classifier(), batch_size=2, seed=0)
    before = fingerprint(problem, stochastic)
    with torch.no_grad():
        problem.gradient(problem.initial_point())
        stochastic.draw(1).gradient(problem.initial_point())
    assert problem.function._recorded and stochastic.calls.gradients
    assert fingerprint(problem, stochastic) == before


def test_curvature_is_estimated_once() -> None:
    problem = classifier()
    before = fingerprint(problem)
    copies = problem.to(dtype=torch.float32).repeat(2)
    largest = copies.smoothness()
    assert problem.curvature.found is not None and fingerprint(problem) == before
    assert largest.dtype == torch.float32
    torch.testing.assert_close(largest, problem.smoothness().float().repeat(2, 1))
    other = classifier((4, 2), seed=1)
    joined = NeuralNetwork.concatenate([problem, other])
    torch.testing.assert_close(joined.smoothness(), torch.cat([problem.smoothness(), other.smoothness()]))


@pytest.mark.parametrize("size", [2, 4])
def test_the_means_over_all_mini_batches_are_the_full_loss_and_gradient(size: int) -> None:
    problem = classifier((5, 5))
    x = problem.initial_point() + 0.3 * torch.randn(2, problem.dim)
    draws = [problem.subsample(torch.tensor([rows, rows])) for rows in combinations(range(5), size)]
    gradient = torch.stack([draw.gradient(x) for draw in draws]).mean(dim=0)
    torch.testing.assert_close(gradient, problem.gradient(x), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(torch.stack([draw.loss(x) for draw in draws]).mean(dim=0), problem.loss(x))


def test_draws_are_the_seeds_and_the_numbers() -> None:
    full = classifier()
    problem, again = Stochastic(full, batch_size=2, seed=3), Stochastic(full, batch_size=2, seed=3)
    x = problem.initial_point()
    late = problem.draw(7).gradient(x)
    assert torch.equal(again.draw(1).draw(7).gradient(x), late)
    assert not torch.equal(again.draw(8).gradient(x), late)
    assert torch.equal(problem.gradient(x), full.gradient(x))


def test_runs_over_mini_batches_count_what_they_cost() -> None:
    problem, network = Stochastic(classifier(), batch_size=2, seed=3), Network.from_networkx(nx.path_graph(3))
    method, losses = DSGD(0.3, 0.5, 1e-3), []
    for k, state in enumerate(run(method, problem, network, problem.initial_point())):
        losses.append(float(problem.objective(problem.average(state.x))))
        if k == 50:
            break
    assert spent(problem, network) == method.total_cost(50)
    assert losses[-1] < 0.9 * losses[0]


@pytest.mark.parametrize("stochastic", [False, True])
def test_problems_side_by_side_are_as_they_are_alone(stochastic: bool) -> None:
    first, second = classifier((4, 9), seed=1), classifier((12, 2, 5), seed=2)
    one: Any = Stochastic(first, batch_size=3, seed=5) if stochastic else first
    two: Any = Stochastic(second, batch_size=3, seed=6) if stochastic else second
    batch = type(one).concatenate([one.repeat(2), two]).repeat(2)
    assert (batch.num_nodes, batch.num_problems) == (14, 6)
    x, y = one.initial_point() + 0.1 * torch.randn(2, one.dim), two.initial_point()
    assert torch.equal(batch.initial_point(), torch.cat([one.initial_point(), one.initial_point(), y] * 2))
    all_x = torch.cat([x, x, y] * 2)
    expected = torch.cat([one.draw(2).gradient(x)] * 2 + [two.draw(2).gradient(y)])
    torch.testing.assert_close(batch.draw(2).gradient(all_x), expected.repeat(2, 1))
    torch.testing.assert_close(batch.loss(all_x), torch.cat([one.loss(x), one.loss(x), two.loss(y)] * 2))


def test_there_is_a_bound_in_the_place_of_an_optimum() -> None:
    problem = classifier(bound=-2.0).repeat(2)
    solution = solve(Stochastic(problem, batch_size=2, seed=0))
    assert solution.value.tolist() == [-2.0, -2.0] and solution.certificate.isnan().all()
    torch.testing.assert_close(solution.x, problem.average(problem.initial_point()))


def test_precision_is_chosen_and_classes_stay_whole_numbers() -> None:
    problem = classifier(test=shards((6,))[0]).to(dtype=torch.float32)
    x = problem.initial_point()
    for value in (x, problem.loss(x), problem.gradient(x), problem.prox(x, 0.1), problem.accuracy(x[:1])):
        assert value is not None and value.dtype == torch.float32
    assert problem.targets.dtype == torch.int64


# Batch normalization.


def test_every_node_normalizes_with_the_statistics_of_its_own_samples() -> None:
    module, data = Normalized(), shards((4, 8))  # the four padded with themselves have the same statistics
    before = copy.deepcopy(module.state_dict())
    problem = NeuralNetwork.from_nodes(module, F.cross_entropy, data)
    x = problem.initial_point() + 0.1 * torch.randn(2, problem.dim)
    loss, gradient = oracle(module, F.cross_entropy, data, x)
    torch.testing.assert_close(problem.loss(x), loss)
    torch.testing.assert_close(problem.gradient(x), gradient)
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


def test_running_statistics_are_those_of_all_nodes_samples() -> None:
    data = shards((6, 6))
    problem = NeuralNetwork.from_nodes(Normalized(), F.cross_entropy, data, test=shards((50,), seed=3)[0])
    x = problem.initial_point()[0] + 0.1
    trained = problem.model(x)
    assert not trained.training
    assert torch.equal(parameters_to_vector(trained.parameters()), x)
    hidden = trained[0](torch.cat([f for f, _ in data]))
    torch.testing.assert_close(trained[1].running_mean, hidden.mean(dim=0))
    torch.testing.assert_close(trained[1].running_var, hidden.var(dim=0))
    features, classes = problem.tests[0]
    share = sum(int(trained(f[None]).argmax() == c) for f, c in zip(features, classes, strict=True)) / 50
    assert problem.accuracy(x[None]).tolist() == pytest.approx([share])


def test_accuracies_of_problems_side_by_side() -> None:
    first = classifier(test=shards((20,), seed=3)[0])
    second = classifier((4, 4), test=shards((30,), seed=4)[0])
    batch = NeuralNetwork.concatenate([first.repeat(2), second]).repeat(2)
    x = torch.randn(6, first.dim)
    alone = [(first, first, second)[k % 3].accuracy(x[k : k + 1]) for k in range(6)]
    torch.testing.assert_close(batch.accuracy(x), torch.cat(alone))
    assert classifier().accuracy(x[:1]) is None


def test_samples_to_judge_by_are_of_all_parts_of_a_node() -> None:
    problem = classifier((100, 3, 40))
    rows = problem._spread_out(10)
    assert rows.count.flatten().tolist() == [10, 3, 10]
    assert torch.equal(rows.features[0], problem.features[0, ::10])
    assert torch.equal(rows.features[1, :3], problem.features[1, :3])
    assert torch.equal(rows.features[2], problem.features[2, :40:4])


# What is refused.


def test_frozen_parameters_are_constants() -> None:
    module = Classifier()
    module[0].requires_grad_(False)
    problem = classifier(module=module)
    assert problem.dim == 12
    trained = problem.model(problem.initial_point()[0] + 1)
    assert torch.equal(trained[0].weight, module[0].weight)
    assert torch.equal(trained[2].bias, module[2].bias + 1)
    other = copy.deepcopy(module)
    other[0].weight.add_(1)
    with pytest.raises(InputError, match=r"the module\.0\.weight has other numbers"):
        NeuralNetwork.concatenate([problem, classifier(module=other)])


@pytest.mark.parametrize(
    ("module", "data", "message"),
    [
        (nn.Sequential(nn.Linear(4, 3), nn.Dropout()), shards(), "1 has dropout"),
        (nn.ReLU(), shards(), "ReLU has no parameters to train"),
        (nn.Linear(5, 3), shards(), r"cannot be run on samples \(2, 4\) with targets \(2\) torch.int64"),
        (nn.Linear(4, 3), shards(classes=False), "cannot be run on samples"),
        (nn.Linear(4, 3), [], "samples of every node, got none"),
        (nn.Linear(4, 3), [(torch.randn(3, 4), torch.zeros(2).long())], r"of node 0 .* got \(3, 4\) and \(2\)"),
        (nn.Linear(4, 3), [*shards(), (torch.randn(2, 5), torch.zeros(2).long())], "features of node 3 must be"),
        (nn.Linear(4, 3), [(torch.full((2, 4), torch.nan), torch.zeros(2).long())], "expected finite"),
    ],
)
def test_nonsense_is_refused(module: nn.Module, data: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        NeuralNetwork.from_nodes(module, F.cross_entropy, data)


def test_accuracy_needs_classes() -> None:
    with pytest.raises(InputError, match="whole numbers"):
        classifier(test=(torch.randn(2, 4), torch.randn(2)))


class Scaled(Classifier):
    """Has numbers that no ``repr`` shows."""

    def __init__(self, scale: float = 1.0, **attributes: Any) -> None:
        super().__init__()
        self.scale = scale
        for name, value in attributes.items():
            setattr(self, name, value)

    def forward(self, x: Tensor) -> Tensor:
        return self.scale * super().forward(x)


def squared(output: Tensor, target: Tensor, factor: float = 1.0) -> Tensor:
    return factor * (output - F.one_hot(target, 3)).square().mean()


def criteria() -> list[Any]:
    """Losses that differ, made anew in every call but for functions of a module."""
    return [
        F.cross_entropy,
        F.nll_loss,
        squared,
        lambda output, target: F.cross_entropy(output, target),
        functools.partial(squared, factor=2.0),
        functools.partial(squared, factor=3.0),
        functools.partial(F.cross_entropy, label_smoothing=0.1),
        nn.CrossEntropyLoss(),
        nn.CrossEntropyLoss(label_smoothing=0.1),
        nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0, 3.0])),
        nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0, 4.0])),
    ]


def joined(first: NeuralNetwork, second: NeuralNetwork) -> NeuralNetwork | None:
    try:
        return NeuralNetwork.concatenate([first, second])
    except InputError:
        return None


def with_criterion(criterion: Any) -> NeuralNetwork:
    return NeuralNetwork.from_nodes(Classifier(), criterion, shards())


def test_problems_are_joined_where_their_losses_are_the_same_function() -> None:
    ours, theirs = ([with_criterion(c) for c in criteria()] for _ in range(2))
    for j, one in enumerate(ours):
        for k, other in enumerate(theirs):
            expected = j == k != 3  # at 3 is a lambda
            assert (joined(one, other) is not None) == expected, (j, k)
        assert joined(one, one.to(dtype=torch.float64)) is not None
        assert joined(one, one.to(dtype=torch.float64)).loss(torch.cat([one.initial_point()] * 2)).isfinite().all()


def test_losses_that_differ_in_a_number_are_told_apart() -> None:
    one, other = (
        NeuralNetwork.from_nodes(Small(), nn.SmoothL1Loss(beta=beta), shards(classes=False)) for beta in (1.0, 0.5)
    )
    with pytest.raises(InputError, match=r"the loss\.beta is 1\.0 in one and 0\.5 in the other"):
        NeuralNetwork.concatenate([one, other])


@pytest.mark.parametrize(
    ("ours", "theirs", "message"),
    [
        (Scaled(2.0), Scaled(3.0), "the module.scale is 2.0 in one and 3.0 in the other"),
        (Scaled(), Scaled(1), "the module.scale is 1.0 in one and 1 in the other"),
        (Scaled(), Scaled(note="a"), "the module has .* in one and .*note in the other"),
        (Scaled(parts=[1, 2]), Scaled(parts=[1, 3]), r"the module.parts\[1\] is 2 in one and 3 in the other"),
        (Scaled(parts=[1]), Scaled(parts=[1, 3]), "the module.parts has 1 parts in one and 2 in the other"),
        (Scaled(shift=torch.ones(2)), Scaled(shift=torch.zeros(2)), "the module.shift has other numbers"),
        (Scaled(act=F.relu), Scaled(act=F.gelu), "the module.act is"),
        (Scaled(act=lambda x: x), Scaled(act=lambda x: x), "the module.act is the function"),
        (Scaled(own=object()), Scaled(own=object()), "the module.own is a object that cannot be compared"),
        (Classifier(), Scaled(), "the module is Classifier in one and Scaled in the other"),
        (Classifier(), nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 3)), "the module is Classifier in one"),
        (nn.Linear(4, 3), nn.Sequential(nn.Linear(4, 3)), "the module is Linear in one and Sequential in the other"),
    ],
)
def test_problems_whose_modules_differ_are_not_joined(ours: nn.Module, theirs: nn.Module, message: str) -> None:
    first, second = classifier(module=ours), classifier(module=theirs)
    for one, other in ((first, first.to(dtype=torch.float64)), (second, classifier((2, 2), module=theirs))):
        if "object" not in message:
            assert joined(one, other) is not None
    with pytest.raises(InputError, match=f"networks that differ cannot be joined in one batch: {message}"):
        NeuralNetwork.concatenate([first, second])


def test_modules_of_equal_attributes_are_joined() -> None:
    def made() -> NeuralNetwork:
        module = Scaled(2.0, parts=(1, [2.0, {"a": torch.ones(2)}]), act=F.relu, limit=functools.partial(F.relu))
        module.itself = module.forward  # a method of its own: it refers to itself
        return classifier(module=module)

    first, second = made(), made()
    x = torch.cat([first.initial_point(), second.initial_point() + 1])
    expected = torch.cat([first.loss(x[:3]), second.loss(x[3:])])
    torch.testing.assert_close(NeuralNetwork.concatenate([first, second]).loss(x), expected)


def test_only_like_problems_stand_in_one_batch() -> None:
    problem, tested = classifier(), classifier(test=shards((3,))[0])
    for other, message in (
        (classifier(bound=1.0), "the bound is 0.0 in one and 1.0 in the other"),
        (tested, "with and without test samples"),
    ):
        with pytest.raises(InputError, match=message):
            NeuralNetwork.concatenate([problem, other])


@pytest.mark.parametrize("missing", ["torch._decomp", "torch.fx.experimental.proxy_tensor"])
def test_gradients_are_the_same_where_torch_cannot_record_them(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    problem, unrecorded = classifier(), classifier()
    x = problem.initial_point() + torch.randn(3, problem.dim)
    with torch.no_grad():
        expected = problem.gradient(x)
        monkeypatch.setitem(sys.modules, missing, None)
        torch.testing.assert_close(unrecorded.gradient(x), expected, rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(unrecorded.gradient(x), expected, rtol=1e-12, atol=1e-12)
    [fallback] = unrecorded.function._recorded.values()
    [recorded] = problem.function._recorded.values()
    assert isinstance(recorded, torch.fx.GraphModule) and not isinstance(fallback, torch.fx.GraphModule)


def test_a_gradient_that_cannot_be_recorded_is_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = classifier()
    x = problem.initial_point() + torch.randn(3, problem.dim)

    def fail(function: Any, *args: Tensor) -> Any:
        raise AssertionError("no recording today")

    monkeypatch.setattr("gnn_l2o.problems.recorded_gradient._recorded", fail)
    expected = problem.gradient(x)
    with torch.no_grad():
        torch.testing.assert_close(problem.gradient(x), expected, rtol=1e-12, atol=1e-12)
