"""A copy of the project for each module of workflow tests."""

import pytest
from checkouts import copy_project


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkout")
    copy_project(folder)
    return folder
