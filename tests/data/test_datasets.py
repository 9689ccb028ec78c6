"""Every file in datasets/ against its contract, each distribution against its definition, and the splits."""

import functools
import gzip
import inspect
import math
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import scipy.stats
import torch
from sklearn.datasets import load_breast_cancer
from sklearn.utils import Bunch

from gnn_l2o import plugins
from gnn_l2o._utils.errors import InputError
from gnn_l2o.data.splits import node_sizes, split
from gnn_l2o.graph.network import Network
from gnn_l2o.problems import L1, Differentiable, ElasticNet, LeastSquares, Logistic, Problem, Stochastic, Zero, solve
from tests.small_data import IMAGE_DATASETS, image_folder

ALL = plugins.available("dataset")
WITHOUT_SAMPLES = (  # functions of the data of a node, or of rows that belong together
    "clipped_quadratic",
    "matrix_game",
    "rastrigin",
    "rotated_saddle",
    "saddle",
    "seesaw",
    "sparse_recovery",
)
SAMPLED = [name for name in ALL if name not in WITHOUT_SAMPLES]
EVEN = ("lasso_benchmark", "quadratic")  # samples are always split evenly


def ring(nodes: int) -> Network:
    edges = {(min(i, j), max(i, j)) for i, j in ((i, (i + 1) % nodes) for i in range(nodes)) if i != j}
    return Network.from_edges(sorted(edges), nodes)


SMALL = {"bsds500": "bsds500:patch=5,atoms=30", **IMAGE_DATASETS}


def sample(spec: str, nodes: int = 5, seed: int = 0):
    name, _, chosen = spec.partition(":")
    if name == "census" and "path=" not in spec and "GNN_L2O_DATA" not in os.environ:
        pytest.skip("GNN_L2O_DATA does not say where the census data is")
    if name in SMALL:
        spec = ",".join(filter(None, [SMALL[name], chosen]))
    with pytest.MonkeyPatch.context() as patch:
        if name in IMAGE_DATASETS:
            patch.setenv("GNN_L2O_DATA", image_folder().name)
        return load(name).function(ring(nodes), seed=seed, **plugins.load("dataset", spec).parameters)


@functools.cache
def load(name: str) -> plugins.Plugin:
    """Load a file once, so that it reads its data once."""
    return plugins.load("dataset", name)


def same(first: Problem, second: Problem) -> bool:
    if isinstance(first, Differentiable) and isinstance(second, Differentiable):
        data = zip(sum(first.data, ()), sum(second.data, ()), strict=True)
        return torch.equal(first.initial, second.initial) and all(torch.equal(a, b) for a, b in data)
    return all(torch.equal(getattr(first, k), getattr(second, k)) for k in ("features", "targets", "count"))


# The contract of every data set


@pytest.mark.parametrize("nodes", [1, 2, 5])
@pytest.mark.parametrize("name", ALL)
def test_every_data_set_gives_a_problem_that_can_be_solved(name: str, nodes: int) -> None:
    problem = sample(name, nodes)
    assert isinstance(problem, Problem)
    assert (problem.num_nodes, problem.num_problems) == (nodes, 1)
    x = torch.randn(nodes, problem.dim, dtype=torch.float64)
    for value in (problem.loss(x), problem.gradient(x), problem.smoothness(), problem.prox(x, 0.1)):
        assert value.dtype == torch.float64
        assert value.isfinite().all()
    solution = solve(problem)
    assert solution.value < problem.objective(problem.average(problem.initial_point()))


@pytest.mark.parametrize("name", ALL)
def test_every_data_set_is_reproducible_and_leaves_the_random_state_alone(name: str) -> None:
    problem = sample(name, seed=3)
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    assert same(sample(name, seed=3), problem)
    assert torch.equal(torch.get_rng_state(), torch_state)
    assert np.array_equal(np.random.get_state()[1], numpy_state)  # noqa: NPY002


@pytest.mark.parametrize("name", ALL)
def test_different_seeds_give_different_instances(name: str) -> None:
    first, second = sample(name, seed=0), sample(name, seed=1)
    assert not same(first, second)
    assert not torch.allclose(first.gradient(torch.ones(5, first.dim)), second.gradient(torch.ones(5, second.dim)))


@pytest.mark.parametrize("name", ALL)
def test_every_data_set_documents_its_parameters(name: str) -> None:
    plugin = plugins.load("dataset", name)
    assert plugin.description.endswith(".")
    for parameter in plugin.defaults:
        assert f"\n    {parameter}: " in inspect.getdoc(plugin.function), parameter


@pytest.mark.parametrize("name", ALL)
def test_data_sets_of_real_data_say_where_it_is_from(name: str) -> None:
    problem = sample(name)
    synthetic = (*WITHOUT_SAMPLES, *EVEN, "lasso", "linear", "logistic")
    assert bool(problem.source) == (name not in synthetic)
    assert "\n" not in problem.source
    if name in SAMPLED:
        assert Stochastic(problem, batch_size=1, seed=0).draw(1).source == problem.source
    assert problem.repeat(2).to(dtype=torch.float32).source == problem.source


# The synthetic distributions (He et al. 2024, E.2)


def drawn(spec: str, nodes: int = 10) -> tuple[np.ndarray, np.ndarray]:
    problem = sample(spec, nodes)
    return problem.features.flatten(0, 1).numpy(), problem.targets.flatten().numpy()


@pytest.mark.parametrize("name", ["lasso", "linear", "logistic"])
def test_features_are_standard_normal(name: str) -> None:
    a, _ = drawn(f"{name}:features=100,samples=100")
    assert a.shape == (1000, 100)
    assert scipy.stats.kstest(a.ravel(), "norm").pvalue > 1e-3
    assert np.abs(np.corrcoef(a.T) - np.eye(100)).max() < 0.2


@pytest.mark.parametrize("name", ["lasso", "linear"])
def test_targets_are_a_sparse_linear_function_and_noise(name: str) -> None:
    a, b = drawn(f"{name}:features=100,samples=400")
    truth, *_ = np.linalg.lstsq(a, b)
    entries = np.sort(np.abs(truth))
    assert entries[74] < 0.01 < 0.3 < entries[75]  # a quarter of 100 is not zero, those beyond the normal quartile
    assert abs(entries[75] - scipy.stats.norm.ppf(0.875)) < 0.25
    np.testing.assert_allclose((b - a @ truth).std(), 0.1, rtol=0.05)
    noiseless_a, noiseless_b = drawn(f"{name}:features=100,samples=400,noise=0")
    exact, *_ = np.linalg.lstsq(noiseless_a, noiseless_b)
    assert (np.abs(exact) < 1e-12).sum() == 75


def test_labels_are_the_signs_of_a_sparse_linear_function() -> None:
    a, b = drawn("logistic:features=16,samples=1000")
    assert set(b) == {0.0, 1.0}
    assert abs(b.mean() - 0.5) < 0.02
    weight = np.abs(a.T @ (b - 0.5)) / len(b)  # E a (b - 1/2) is a multiple of the truth
    entries = np.sort(weight)
    assert entries[11] < 0.02 < 0.05 < entries[12]
    with pytest.raises(InputError, match="no minimizer"):  # there is a plane that separates the labels
        solve(sample("logistic:features=16,samples=50,l1_weight=0"))


def test_default_sizes_are_those_of_the_paper() -> None:
    lasso, linear, logistic = (sample(name, 10) for name in ("lasso", "linear", "logistic"))
    assert isinstance(lasso, LeastSquares)
    assert (lasso.features.shape, lasso.regularizer.weight) == ((10, 10, 300), 0.1)
    assert isinstance(linear, LeastSquares)
    assert isinstance(linear.regularizer, Zero)
    assert isinstance(logistic, Logistic)
    assert (logistic.features.shape, logistic.regularizer.weight) == ((10, 100, 50), 0.1)


@pytest.mark.parametrize("name", ["lasso", "logistic", "breast_cancer", "census"])
def test_weights_choose_the_regularizer(name: str) -> None:
    one, both = sample(f"{name}:l1_weight=0.3").regularizer, sample(f"{name}:l1_weight=0.3,l2_weight=0.2").regularizer
    assert isinstance(one, L1)
    assert one.weight == 0.3
    assert isinstance(both, ElasticNet)
    assert (both.l1, both.l2) == (0.3, 0.2)


@pytest.mark.parametrize("name", [name for name in SAMPLED if name not in EVEN])
def test_imbalance_moves_samples_between_nodes(name: str) -> None:
    even, uneven = sample(name), sample(f"{name}:imbalance=2")
    assert even.count.max() - even.count.min() <= 1
    assert uneven.count.max() > 2 * uneven.count.min()
    assert even.count.sum() == uneven.count.sum()


@pytest.mark.parametrize(
    ("spec", "nodes", "message"),
    [
        ("lasso:features=0", 5, "features must be at least 1, got 0"),
        ("linear:samples=0", 5, "samples must be at least 1, got 0"),
        ("logistic:samples=-1", 5, "samples must be at least 1, got -1"),
        ("lasso:l1_weight=-1", 5, "L1 needs a finite weight >= 0, got -1"),
        ("lasso:l1_weight=nan", 5, "l1_weight: expected a finite number, got 'nan'"),
        ("logistic:column_scales=inf", 5, "column_scales: expected a finite number, got 'inf'"),
        ("lasso:imbalance=-1", 5, "imbalance must lie between 0 and 100, got -1"),
        ("lasso:imbalance=1e300", 5, "imbalance must lie between 0 and 100, got 1e.300"),
        ("breast_cancer:samples=0", 5, "samples must be at least 1, got 0"),
        ("breast_cancer:alpha=0", 5, "alpha must be positive, got 0"),
        ("breast_cancer", 570, "569 samples cannot fill 570 nodes; expected at most 569 nodes"),
        ("breast_cancer:samples=200", 5, "the nodes need 1000 samples together, but there are only 569"),
    ],
)
def test_bad_parameters_are_refused(spec: str, nodes: int, message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        sample(spec, nodes)
    assert "\n" not in str(error.value)


# Real data


def test_breast_cancer_hands_out_every_sample_once() -> None:
    problem = sample("breast_cancer", 10)
    a = np.concatenate([f[:m] for f, m in zip(problem.features.numpy(), problem.count.flatten(), strict=True)])
    b = np.concatenate([t[:m] for t, m in zip(problem.targets.numpy(), problem.count.flatten(), strict=True)])
    data, labels = load_breast_cancer(return_X_y=True)
    expected = np.column_stack([scipy.stats.zscore(data), labels])
    np.testing.assert_allclose(np.sort(np.column_stack([a, b]), axis=0), np.sort(expected, axis=0), atol=1e-10)
    assert sample("breast_cancer:samples=20", 10).count.flatten().tolist() == [20] * 10


def test_alpha_makes_the_nodes_labels_differ() -> None:
    def spread(spec: str) -> float:
        problem = sample(spec, 10)
        return float((problem.targets.sum(1, keepdim=True) / problem.count).std())

    assert spread("breast_cancer") < 0.12 < 0.3 < spread("breast_cancer:alpha=0.1")


@pytest.mark.parametrize("spec", ["logistic", "breast_cancer", "census", "digits", "mlp", "resnet"])
def test_every_data_set_with_classes_can_be_split_by_them(spec: str) -> None:
    chosen = "samples=30" if spec in SMALL else ""

    def spread(alpha: str) -> float:
        problem = sample(f"{spec}:{chosen},alpha={alpha}", 10)
        return max(float(((problem.targets == c).sum(1) / problem.count.squeeze(1)).std()) for c in range(2))

    assert spread("1e6") < 0.13 < 0.2 < spread("0.1")
    sizes = sample(f"{spec}:{chosen},alpha=1,imbalance=1", 10).count
    assert sizes.max() > 3 * sizes.min()


def test_logistic_with_alpha_holds_the_samples_it_has_without() -> None:
    whole, parted = sample("logistic:features=3", 4), sample("logistic:features=3,alpha=0.5", 4)
    assert not torch.equal(whole.features, parted.features)
    rows = [torch.cat([p.features, p.targets.unsqueeze(2)], dim=2).flatten(0, 1) for p in (whole, parted)]
    first, second = (r[r[:, 0].argsort()] for r in rows)
    torch.testing.assert_close(first, second, rtol=0, atol=0)


def test_census_has_the_columns_of_the_paper() -> None:
    problem = sample("census:samples=3000", 10)
    assert problem.features.shape == (10, 3000, 14)
    assert problem.features.flatten(0, 1).mean(0).abs().max() < 0.02
    torch.testing.assert_close(problem.features.flatten(0, 1).std(0), torch.ones(14), rtol=0.1, atol=0)
    assert abs(problem.targets.mean() - 0.2408) < 0.01


ROWS = [
    ["39", "State-gov", "77516", "Bachelors", "13", "Never-married", "Adm", "No", "White", "Male", "2174", "0", "40"],
    ["50", "Self-emp", "83311", "Masters", "13", "Married", "Exec", "Husband", "White", "Male", "0", "0", "13"],
    ["38", "?", "215646", "HS-grad", "9", "Divorced", "Clean", "No", "Black", "Female", "0", "0", "40"],
]
COUNTRIES, INCOME = ["Cuba", "?", "Peru"], ["<=50K", ">50K", "<=50K"]


def write_census(path: Path) -> Path:
    rows = [",".join([*row, c, i]) for row, c, i in zip(ROWS, COUNTRIES, INCOME, strict=True)]
    text = "\n".join([",".join(f"column {k}" for k in range(15)), *rows, ""])
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def is_small_census(problem: Logistic) -> None:
    features, targets = problem.features.squeeze(0).numpy(), problem.targets.squeeze(0)
    high = int(targets.argmax())  # the row that earns more, wherever it was drawn
    low = sorted({0, 1, 2} - {high}, key=lambda k: -features[k, 0])
    order = [low[0], high, low[1]]  # of age 39, 50, 38
    assert targets[order].tolist() == [0, 1, 0]
    np.testing.assert_allclose(features[order, 0], scipy.stats.zscore([39, 50, 38]))
    np.testing.assert_allclose(features[order, 1], scipy.stats.zscore([2, 1, 0]))  # ? < Self-emp < State-gov
    np.testing.assert_allclose(features[order, 11], 0)  # a column that is constant
    np.testing.assert_allclose(features[order, 13], scipy.stats.zscore([1, 0, 2]))  # ? < Cuba < Peru


@pytest.mark.parametrize("name", ["census.csv", "census.csv.gz"])
def test_census_reads_the_file_it_is_given(tmp_path: Path, name: str) -> None:
    is_small_census(sample(f"census:samples=3,path={write_census(tmp_path / name)}", nodes=1))


def test_census_reads_the_folder_of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "adult").mkdir()
    write_census(tmp_path / "adult" / "adult_train.csv.gz")
    monkeypatch.setenv("GNN_L2O_DATA", str(tmp_path))
    is_small_census(sample("census:samples=3", nodes=1))


def census_with_download(monkeypatch: pytest.MonkeyPatch, download: Callable[..., Bunch]) -> plugins.Plugin:
    monkeypatch.delenv("GNN_L2O_DATA", raising=False)
    monkeypatch.setattr("sklearn.datasets.fetch_openml", download)
    plugin = plugins.load("dataset", "census:samples=3")
    monkeypatch.setitem(plugin.function.__globals__, "TEST_ROWS", 2)
    monkeypatch.setitem(plugin.function.__globals__, "HIGH_INCOMES", {"train": 1, "test": 2})
    return plugin


def openml_census(name: str, *, version: int, as_frame: bool, parser: str) -> Bunch:
    """Two rows of a test part, both of high income, then the three of the training part."""
    assert (name, version, as_frame, parser) == ("adult", 2, False, "liac-arff")
    names = [f"column {k}" for k in range(14)]
    rows = [[*r, c] for r, c in zip(ROWS, COUNTRIES, strict=True)]
    columns = [list(column) for column in zip(*rows[1:], *rows, strict=True)]
    # As scikit-learn gives it without pandas: words numbered in the order of the file's header, missing ones nan.
    words = {n: sorted(set(c) - {"?"}, reverse=True) for n, c in zip(names, columns, strict=True) if not c[0].isdigit()}
    data = [
        [(words[n].index(v) if n in words else float(v)) if v != "?" else math.nan for v in c]
        for n, c in zip(names, columns, strict=True)
    ]
    target = np.array([">50K", ">50K", *INCOME], dtype=object)
    return Bunch(data=np.array(data).T, feature_names=names, categories=words, target=target)


def test_census_is_downloaded_where_there_is_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    is_small_census(census_with_download(monkeypatch, openml_census)(ring(1), seed=0))


def test_the_downloaded_test_part_stands_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = census_with_download(monkeypatch, openml_census).function(ring(1), seed=0, samples=2, part="test")
    assert problem.targets.tolist() == [[1, 1]]
    ages = (np.array([38, 50]) - np.mean([39, 50, 38])) / np.std([39, 50, 38])  # by the training part's mean
    np.testing.assert_allclose(np.sort(problem.features[0, :, 0]), ages)


def test_a_download_in_another_order_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    plugin = census_with_download(monkeypatch, openml_census)
    monkeypatch.setitem(plugin.function.__globals__, "TEST_ROWS", 4)
    with pytest.raises(InputError, match=r"has changed: expected high incomes .*'train': 1.* got .*'test': 3"):
        plugin(ring(1), seed=0)


@pytest.fixture
def census_offline(monkeypatch: pytest.MonkeyPatch) -> plugins.Plugin:
    def download(*args: object, **kwargs: object) -> Bunch:
        raise OSError("no route to openml.org")

    return census_with_download(monkeypatch, download)


def test_breast_cancer_stands_in_for_the_census_if_asked_for(census_offline: plugins.Plugin) -> None:
    ways = r"no route to openml.org.*path=FILE.*GNN_L2O_DATA.*openml.org, or stand_in=true runs on data on breast"
    with pytest.raises(InputError, match=ways) as error:
        census_offline.function(ring(10), seed=0)
    assert "\n" not in str(error.value)
    with pytest.raises(InputError, match=r"either path=mine\.csv or stand_in=true, got both"):
        census_offline.function(ring(10), seed=0, stand_in=True, path="mine.csv")
    problem = census_offline.function(ring(10), seed=0, stand_in=True)
    assert problem.source.endswith("instead of Census Income, train part, 40 rows a node, for there are no more")
    assert problem.features.shape == (10, 40, 14)
    data, labels = load_breast_cancer(return_X_y=True)
    expected = (data[:400] - data[:400].mean(axis=0)) / data[:400].std(axis=0)
    rows = problem.features.flatten(0, 1).numpy()
    order, same = np.argsort(rows.sum(axis=1)), np.argsort(expected[:, :14].sum(axis=1))
    np.testing.assert_allclose(rows[order], expected[same, :14])
    assert problem.targets.sum() == labels[:400].sum()


def test_indicators_of_what_stands_in_lie_between_quartiles(census_offline: plugins.Plugin) -> None:
    train = census_offline.function(ring(10), seed=0, onehot=True, stand_in=True)
    test = census_offline.function(ring(10), seed=0, onehot=True, part="test", stand_in=True)
    assert (train.features.shape, test.features.shape) == ((10, 40, 120), (10, 16, 120))
    indicators = train.features.flatten(0, 1).unflatten(1, (30, 4))
    assert (indicators.sum(dim=2) == 1).all()
    np.testing.assert_allclose(indicators.mean(dim=0), 0.25, atol=0.01)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot read the census data.*path=FILE"),
        (b"\x1f\x8b not gzip", "cannot read the census data.*path=FILE"),
        (b"a,b\n1,2\n", "expected 14 columns and '<=50K' or '>50K', got the row '1,2'"),
        (b"a,b\n", "expected 14 columns and '<=50K' or '>50K', got no rows"),
        (",".join("abcdefghijklmno").encode() * 2, "got no rows"),
        (b"header\n" + ",".join("abcdefghijklmno").encode(), "got the row 'a,b,c"),
    ],
)
def test_a_file_that_is_not_the_census_is_refused(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "data.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=message) as error:
        sample(f"census:path={path}")
    assert "\n" not in str(error.value)


# The lines of a9a and a9a.t in the LIBSVM collection that belong to the first rows of both parts.
A9A = """
-1 3 11 14 19 39 42 55 64 67 73 75 76 80 83
-1 5 7 14 19 39 40 51 63 67 73 74 76 78 83
-1 3 6 17 22 36 41 53 64 67 73 74 76 80 83
-1 5 6 17 21 35 40 53 63 71 73 74 76 80 83
-1 2 6 18 19 39 40 52 61 71 72 74 76 80 95
-1 3 6 18 29 39 40 51 61 67 72 74 76 80 83
-1 4 6 16 26 35 45 49 64 71 72 74 76 78 101
1 5 7 17 22 36 40 51 63 67 73 74 76 81 83
1 2 6 14 29 39 42 52 64 67 72 75 76 82 83
1 4 6 16 19 39 40 51 63 67 73 75 76 80 83
"""
A9A_TEST = """
-1 1 6 17 21 35 42 54 62 71 73 74 76 80 83
-1 3 6 14 22 36 40 56 63 67 73 74 76 82 83
1 2 10 18 24 38 40 59 63 67 73 74 76 80 83
1 4 6 16 20 37 40 54 63 71 73 75 76 80 83
"""
GROUPS = (5, 8, 5, 16, 5, 7, 14, 6, 5, 2, 2, 2, 5, 41)  # indicators of each of the 14 columns


def one_hot(part: str) -> tuple[np.ndarray, np.ndarray]:
    if "GNN_L2O_DATA" not in os.environ:
        pytest.skip("GNN_L2O_DATA does not say where the census data is")
    inside = load("census").function.__globals__
    return inside["_load"](inside["_find"](None), part, True)


@pytest.mark.parametrize(("part", "lines"), [("train", A9A), ("test", A9A_TEST)])
def test_one_hot_census_is_a9a_line_by_line(part: str, lines: str) -> None:
    data, labels = one_hot(part)
    for line, row, label in zip(lines.split("\n")[1:-1], data, labels, strict=False):
        assert line.split() == [str(int(2 * label - 1)), *map(str, np.flatnonzero(row) + 1)]


def test_one_hot_census_is_a9a_in_its_totals() -> None:
    data, labels = one_hot("train")
    assert data.shape == (32_561, 123)
    assert set(np.unique(data)) == {0, 1}
    assert data.sum() == 451_592  # what the LIBSVM collection states of a9a
    assert labels.sum() == 7_841
    assert data.any(axis=0).all()
    test, test_labels = one_hot("test")
    assert test.shape == (16_281, 123)
    assert test_labels.sum() == 3_846
    assert np.flatnonzero(~test.any(axis=0)).tolist() == [122]  # nobody from the Netherlands: a9a.t has 122 columns


def test_one_hot_census_column_by_column() -> None:
    data, _ = one_hot("train")
    file = Path(os.environ["GNN_L2O_DATA"]) / "adult" / "adult_train.csv.gz"
    rows = [line.split(",") for line in gzip.decompress(file.read_bytes()).decode().splitlines()[1:]]
    missing = {1: 1836, 6: 1843, 13: 583}
    first = 0
    for k, width in enumerate(GROUPS):
        group, column = data[:, first : first + width], np.array([row[k].strip() for row in rows])
        first += width
        np.testing.assert_array_equal(group.sum(axis=1), column != "?")
        assert (column == "?").sum() == missing.get(k, 0)
        for c in range(width):  # rows with the same indicator have the same word, or numbers of one interval
            here, elsewhere = column[group[:, c] == 1], column[group[:, c] == 0]
            if not column[0].isdigit():
                assert len(set(here)) == 1
                assert not set(here) & set(elsewhere)
            elif c:
                assert here.astype(int).min() > column[group[:, c - 1] == 1].astype(int).max()
    counts = {word: int((data[:, c]).sum()) for word, c in (("Private", 5), ("White", 66), ("Male", 72), ("US", 82))}
    assert counts == {"Private": 22_696, "White": 27_816, "Male": 21_790, "US": 29_170}


def test_one_hot_census_is_a_parameter() -> None:
    problem = sample("census:onehot=true,samples=50,part=test", 4)
    assert problem.features.shape == (4, 50, 123)
    assert set(problem.features.unique().tolist()) == {0, 1}


def test_the_test_part_is_scaled_like_the_training_part() -> None:
    problem = sample("census:part=test,samples=1600", 10)
    mean, deviation = problem.features.flatten(0, 1).mean(0), problem.features.flatten(0, 1).std(0)
    assert 1e-3 < mean.abs().max() < 0.05
    torch.testing.assert_close(deviation, torch.ones(14), rtol=0.05, atol=0)


def test_a_folder_holds_both_parts_and_a_file_one(tmp_path: Path) -> None:
    for part in ("train", "test"):
        write_census(tmp_path / f"adult_{part}.csv.gz")
    is_small_census(sample(f"census:samples=3,path={tmp_path}", nodes=1))
    is_small_census(sample(f"census:samples=3,part=test,path={tmp_path}", nodes=1))
    file = tmp_path / "adult_train.csv.gz"
    with pytest.raises(InputError, match=r"is the training part; expected a folder with adult_test.csv.gz"):
        sample(f"census:part=test,path={file}")


def test_words_that_are_not_of_the_census_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"not as published: unknown word 'Self-emp'; did you mean 'Self-emp-inc'"):
        sample(f"census:onehot=true,samples=3,path={write_census(tmp_path / 'census.csv')}", nodes=1)


@pytest.mark.parametrize("spec", ["lasso:noise=0", "linear:noise=0", "logistic"])
def test_features_are_correlated_as_asked(spec: str) -> None:
    kind, _, chosen = spec.partition(":")
    chosen = ",".join(filter(None, ["features=6,samples=20000", chosen]))
    rows = sample(f"{kind}:{chosen},correlation=0.8", 2).features.flatten(0, 1).numpy()
    expected = 0.8 ** np.abs(np.subtract.outer(np.arange(6), np.arange(6)))
    np.testing.assert_allclose(np.cov(rows.T), expected, atol=0.03)
    plain, named = sample(f"{kind}:{chosen}", 2), sample(f"{kind}:{chosen},correlation=0", 2)
    assert torch.equal(plain.features, named.features)
    assert torch.equal(plain.targets, named.targets)
    with pytest.raises(InputError, match=r"correlation lies between 0 and 1, 0 included, got 1\.0"):
        sample(f"{kind}:correlation=1", 2)


@pytest.mark.parametrize("spec", ["lasso:noise=0", "linear:noise=0", "logistic"])
def test_features_differ_in_scale_as_asked(spec: str) -> None:
    kind, _, chosen = spec.partition(":")
    chosen = ",".join(filter(None, ["features=200,samples=100", chosen]))
    scaled = sample(f"{kind}:{chosen},column_scales=1.5", 2).features.flatten(0, 1).std(dim=0).log10()
    assert -1.6 < scaled.min() < -1.3
    assert 1.3 < scaled.max() < 1.6
    plain, named = sample(f"{kind}:{chosen}", 2), sample(f"{kind}:{chosen},column_scales=0", 2)
    assert torch.equal(plain.features, named.features)
    with pytest.raises(InputError, match=r"column_scales must be at least 0, got -1\.0"):
        sample(f"{kind}:column_scales=-1", 2)


# Splits


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize(("total", "nodes"), [(10, 10), (11, 10), (569, 10), (7, 1), (1000, 999)])
@pytest.mark.parametrize("imbalance", [0.0, 0.5, 3.0])
def test_node_sizes_add_up_and_leave_no_node_empty(total: int, nodes: int, imbalance: float) -> None:
    sizes = node_sizes(total, nodes, imbalance, generator())
    assert sizes.shape == (nodes,)
    assert sizes.sum() == total
    assert sizes.min() >= 1
    if imbalance == 0:
        assert sizes.max() - sizes.min() <= 1


def test_imbalance_is_the_deviation_of_the_logarithm_of_the_sizes() -> None:
    for imbalance in (0.25, 1.0):
        sizes = node_sizes(10_000_000, 2000, imbalance, generator())
        np.testing.assert_allclose(np.log(sizes).std(), imbalance, rtol=0.1)


@pytest.mark.parametrize("alpha", [None, 1e-6, 0.1, 1.0, 1e6])
@pytest.mark.parametrize("pool", [100, 150])
def test_a_split_gives_every_node_its_size_and_no_sample_twice(alpha: float | None, pool: int) -> None:
    labels = np.arange(pool) % 3
    sizes = np.array([1, 50, 20, 29])
    parts = split(labels, sizes, generator(), alpha)
    assert [p.size for p in parts] == sizes.tolist()
    assert np.unique(np.concatenate(parts)).size == sizes.sum()
    again, other = split(labels, sizes, generator(), alpha), split(labels, sizes, generator(1), alpha)
    assert all(np.array_equal(p, q) for p, q in zip(parts, again, strict=True))
    assert not all(np.array_equal(p, q) for p, q in zip(parts, other, strict=True))


def proportions(alpha: float | None) -> np.ndarray:
    """The part of class 1 on each of 200 nodes, in a pool from which three quarters remain; it makes up 40 % there."""
    labels = (np.arange(80_000) % 5 < 2).astype(int)
    parts = split(labels, np.full(200, 100), generator(), alpha)
    return np.array([labels[p].mean() for p in parts])


@pytest.mark.parametrize("alpha", [0.1, 1.0, 10.0])
def test_class_proportions_follow_the_dirichlet_distribution(alpha: float) -> None:
    # Of Dirichlet(alpha p), component k has the variance p_k (1 - p_k) / (alpha + 1); drawing 100 samples adds theirs.
    found = proportions(alpha)
    expected = 0.4 * 0.6 * (1 / (alpha + 1) * (1 - 1 / 100) + 1 / 100)
    assert abs(found.mean() - 0.4) < 4 * np.sqrt(expected / 200)
    np.testing.assert_allclose(found.var(), expected, rtol=0.3)


def test_extreme_alphas_give_one_class_a_node_or_the_same_mix_everywhere() -> None:
    assert set(proportions(1e-4).round(6)) == {0.0, 1.0}
    assert proportions(1e6).std() < 0.07
    assert proportions(None).std() < 0.07
