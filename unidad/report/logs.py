"""What a run logged while it trained."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from unidad.errors import UserError

SMOOTHING_SHARE = 0.04


def read_log(path: Path) -> pd.DataFrame:
    """Columns iteration, seconds, then one a logged name, with empty cells where it was not logged.

    Raises:
        UserError: there is none, or it is something else.
    """
    try:
        log = pd.read_csv(path)
        return log.astype(float).sort_values("iteration")
    except FileNotFoundError:
        raise UserError(f"{path}: no such training log; run `unidad train` first") from None
    except (KeyError, ValueError) as error:
        raise UserError(f"{path}: not a training log written by unidad ({error})") from None


def logged_names(log: pd.DataFrame) -> list[str]:
    """What was logged at least once."""
    names = [name for name in log.columns if name not in ("iteration", "seconds")]
    return [name for name in names if log[name].notna().any()]


def smooth(values: pd.Series) -> pd.Series:
    """Centred moving average over 4 % of the points, shorter at the ends."""
    window = max(1, round(SMOOTHING_SHARE * len(values)))
    return values.rolling(window, center=True, min_periods=1).mean()
