"""mosa measures and improves the safety of masked diffusion language models.

The command `mosa` does the work; this package runs it and reads what it wrote:

    import mosa
    mosa.run(["quickstart"], capture=False)
    rows = mosa.records("runs/quickstart/attacks/original/tap", kind="verdict")
    pandas.DataFrame(rows)
"""

from __future__ import annotations

from ._command import run
from ._errors import CommandError, MosaError, RecordsError
from ._records import Records, Row, manifest, records

__all__ = ["CommandError", "MosaError", "Records", "RecordsError", "Row", "manifest", "records", "run"]
