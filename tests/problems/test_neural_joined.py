"""Which problems of neural networks are joined, and that like ones alone stand in one batch."""

import functools
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gnn_l2o._utils.errors import InputError
from gnn_l2o.problems import NeuralNetwork
from tests.problems.small_networks import Classifier, Small, classifier, joined, shards


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
