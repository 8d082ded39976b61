"""The shell's command for what is kept on disk: it computes nothing, and so loads no engine."""

import argparse
from dataclasses import asdict

from analysis.cache import cache_limit, cache_root, clear, usage
from analysis.cli.terminal import print_json
from analysis.errors import UserError


def cache(options: argparse.Namespace) -> None:
    """Show the cache, or empty it."""
    if options.action == "clear":
        _clear(everything=options.all, as_json=options.json)
    else:
        _show(as_json=options.json)


def _show(*, as_json: bool) -> None:
    limit, kinds = cache_limit(), usage()
    computed = sum(kind.bytes for kind in kinds if kind.is_computed)
    if as_json:
        facts = {"folder": str(cache_root()), "limit": limit, "bytes": computed}
        print_json({**facts, "kinds": [asdict(kind) for kind in kinds]})
        return
    print(cache_root())
    for is_computed, title in (
        (True, "computed again when needed"),
        (False, "kept until `coalesce cache clear --all`"),
    ):
        print(f"{title}:")
        for kind in kinds:
            if kind.is_computed == is_computed:
                files = "file" if kind.files == 1 else "files"
                print(f"  {kind.kind:<16}{_size(kind.bytes):>12}  {kind.files} {files}")
    print(f"limit: {_size(computed)} of {_size(limit)}, which COALESCE_CACHE_LIMIT sets")


def _clear(*, everything: bool, as_json: bool) -> None:
    cleared = clear(everything=everything)
    if as_json:
        print_json({"folder": str(cache_root()), **asdict(cleared)})
    else:
        print(f"{_size(cleared.bytes)} freed in {cache_root()}")
    if cleared.failed:
        files = "file" if cleared.failed == 1 else "files"
        raise UserError(
            f"{cleared.failed} {files} of the cache could not be deleted.",
            f"Close what uses them, or check the permissions below {cache_root()}.",
        )


def _size(n_bytes: int) -> str:
    return f"{n_bytes / 1e9:.2f} GB" if n_bytes >= 1e9 else f"{n_bytes / 1e6:.1f} MB"
