"""Nothing runs code from a file or a page: no pickles, no foreign code, no raw HTML."""

import ast

from tests.helpers.imports import PRODUCT, files, imports, refuse, relative, tree_of

PICKLES = {"pickle", "joblib", "dill", "cloudpickle", "shelve", "marshal"}
SWITCHES = {
    "trust_remote_code": "code that comes with a checkpoint is not run",
    "allow_pickle": "an array file could run code",
    "unsafe_allow_html": "a transcript or a file name could become part of the page",
}
"""Keyword arguments that are left out or say False, and why."""


def test_nothing_loads_pickles() -> None:
    offences = [
        f"{found.place} imports {found.module}, and a pickle runs code when it is loaded: use"
        " safetensors, .npz or JSON."
        for path in files(*PRODUCT)
        for found in imports(path)
        if found.top in PICKLES
    ]
    for path in files(*PRODUCT):
        for node in ast.walk(tree_of(path)):
            if not isinstance(node, ast.Attribute | ast.ImportFrom):
                continue
            by_name = isinstance(node, ast.Attribute) and ast.unparse(node) == "torch.load"
            from_torch = (
                isinstance(node, ast.ImportFrom)
                and node.module == "torch"
                and any(alias.name == "load" for alias in node.names)
            )
            if by_name or from_torch:
                offences.append(
                    f"{relative(path)}:{node.lineno} uses torch.load, and a pickle runs code when"
                    " it is loaded: use safetensors.torch.load_file."
                )
    refuse(offences)


def test_no_switch_lets_foreign_code_in() -> None:
    refuse(
        [
            f"{relative(path)}:{node.value.lineno} passes {node.arg}, and {SWITCHES[node.arg]}:"
            " leave it out, or write False."
            for path in files(*PRODUCT)
            for node in ast.walk(tree_of(path))
            if isinstance(node, ast.keyword)
            and node.arg in SWITCHES
            and not (isinstance(node.value, ast.Constant) and node.value.value is False)
        ]
    )
