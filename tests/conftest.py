from collections.abc import Iterator

import pytest
import torch


@pytest.fixture(autouse=True)
def double_precision_and_a_fixed_seed() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    yield
    torch.set_default_dtype(torch.float32)
