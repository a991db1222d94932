"""A copy of the project for each module of workflow tests, which one process runs."""

from pathlib import Path

import pytest
from checkouts import copy_project

LONGEST = ("test_slurm", "test_sdp_smoke", "test_smoke", "test_sdp_trained")


def pytest_collection_modifyitems(items):
    """What takes longest starts first, for the other processes to fill up beside it."""

    def place(item):
        is_workflow = Path(__file__).parent in item.path.parents
        known = item.path.stem in LONGEST
        return not is_workflow, LONGEST.index(item.path.stem) if known else len(LONGEST)

    items.sort(key=place)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkout")
    copy_project(folder)
    return folder
