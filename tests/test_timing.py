"""What time is measured by."""

import time

import pytest
import torch

from unidad.timing import now


@pytest.mark.skipif(torch.cuda.is_available(), reason="with a GPU, time is the clock's")
def test_without_a_gpu_time_is_the_processor_s():
    before = time.process_time()
    found = now()
    assert before <= found <= time.process_time()
