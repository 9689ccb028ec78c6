"""Neural networks as decentralized problems: losses, gradients, curvature and mini-batches."""

import functools
from itertools import combinations
from typing import Any

import networkx as nx
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parameters_to_vector

from gnn_l2o._utils.errors import InputError
from gnn_l2o._utils.fingerprint import fingerprint
from gnn_l2o.algorithms.base import spent
from gnn_l2o.algorithms.driver import run
from gnn_l2o.graph.network import Network
from gnn_l2o.handcrafted import DSGD
from gnn_l2o.problems import MLP, LeastSquares, NeuralNetwork, ResNet, Stochastic, neural, solve
from gnn_l2o.problems.regularizers import L1
from gnn_l2o.training.pool import Batch
from tests.problems.small_networks import SIZES, Classifier, Small, classifier, oracle, shards


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
