import pytest
import torch


@pytest.fixture
def single_precision() -> None:
    torch.set_default_dtype(torch.float32)  # what training runs in
