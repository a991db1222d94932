"""A copy of the project for each module of workflow tests, which one process runs."""

from pathlib import Path

import pytest
from checkouts import copy_project


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Under `--dist loadgroup` a module's tests share what its fixtures ran."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.xdist_group(item.path.stem))


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkout")
    copy_project(folder)
    return folder
