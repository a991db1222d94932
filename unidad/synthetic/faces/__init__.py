"""Synthetic faces: a parametric renderer whose every image has known attributes.

The five domains mirror FFHQ and its targets. `babies` and `sunglasses` lie inside the support of
the source `faces`, as rare modes; `portraits` and `cats` lie outside it.
"""

from unidad.synthetic.faces.attributes import (
    ATTRIBUTES,
    BABY_LIKE,
    DOMAINS,
    SUNGLASSES,
    SourceShares,
)
from unidad.synthetic.faces.render import render

__all__ = ["ATTRIBUTES", "BABY_LIKE", "DOMAINS", "SUNGLASSES", "SourceShares", "render"]
