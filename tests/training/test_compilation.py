import os

import torch

from unidad.training.compilation import CACHE, separate_processors


def test_compiled_code_of_one_kind_of_processor_is_not_given_to_another(tmp_path, monkeypatch):
    """And twice in a process changes nothing."""
    for kind in ("AVX2", "AVX512"):
        monkeypatch.setenv(CACHE, str(tmp_path))
        monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda kind=kind: kind)
        for _ in range(2):
            separate_processors()
            assert os.environ[CACHE] == str(tmp_path / kind)
