"""Snakemake that looks at its cluster's jobs every second.

The plugin waits ten seconds longer after every look that finds none at its end.
"""

import asyncio

from snakemake.cli import main
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor


async def sleep(executor):
    await asyncio.sleep(1)


if __name__ == "__main__":
    RemoteExecutor.sleep = sleep
    main()
