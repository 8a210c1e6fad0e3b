"""clusterkit with TLS on its links, to see what that costs.

    with_tls.py server
    with_tls.py client PORT ONLY

Both show the same certificate, which whoever comes first makes in the folder
that the harness names in `BENCH_FOLDER`.
"""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path

import node_b
import trustme
import workloads

from clusterkit import Tls, create_cluster

FILES = ("certificate", "key", "ca")


def certificates(folder: Path) -> Tls:
    """Return the certificate in a folder, made there if there is none."""
    files = {name: folder / f"{name}.pem" for name in FILES}
    if not all(file.exists() for file in files.values()):
        authority = trustme.CA()
        mine = authority.issue_cert("127.0.0.1")
        authority.cert_pem.write_to_path(files["ca"])
        mine.private_key_pem.write_to_path(files["key"])
        mine.cert_chain_pems[0].write_to_path(files["certificate"])
    return Tls(**files)


if __name__ == "__main__":
    tls = certificates(Path(os.environ["BENCH_FOLDER"]))
    for module in (workloads, node_b):
        module.create_cluster = partial(create_cluster, tls=tls)  # type: ignore[attr-defined]
    workloads.main(*sys.argv[1:])
