"""Each interface library has one home: Streamlit in the pages, Plotly in the figures."""

import ast

from tests.helpers.imports import MAKERS, PRODUCT, files, imports, refuse, relative, tree_of

_TAB = "benchmarks/visitors.py"
"""Speaks Streamlit's protocol to a server, as the script in a browser does."""

FIGURE_TYPES = {
    "pages/widgets/basics.py": "puts any figure on a page",
    "pages/widgets/exports.py": "writes any figure into a file",
    "pages/exploring/cluster_map.py": "chooses among the maps, and puts one on the page",
    "pages/runs/sweep_results.py": "gathers the figures of a sweep for export",
    "pages/runs/training_results.py": "gathers the figures of a run for export",
    "pages/clusters.py": "gathers its figures for export",
    "pages/exploring/cluster_detail.py": "hands its figure over for export",
    "pages/exploring/all_heads.py": "gathers its figures for export",
    "pages/exploring/chosen_units.py": "hands figures over for export",
    "pages/exploring/head_views.py": "hands its figures over for export",
    "pages/variants/drift.py": "hands its figures over for export",
    "pages/exploring/unit_sounds.py": "hands its figure over for export",
    "pages/overview.py": "chooses the figure that the page shows",
    "coalesce/figures.py": "hands figures to a notebook",
    "pages/variance.py": "gathers its figures for export",
}
"""Files outside of analysis/figures that name the type `go.Figure`, and why."""


def test_streamlit_stays_in_the_pages() -> None:
    refuse(
        [
            f"{found.place} imports {found.module}, and only app.py and pages/ know Streamlit:"
            " return the result, and draw it in pages/."
            for path in files(*PRODUCT, *MAKERS)
            for found in imports(path)
            if found.top == "streamlit"
            and not relative(path).startswith(("pages/", "app.py", _TAB))
        ]
    )


def test_no_part_of_a_page_is_drawn_by_the_clock() -> None:
    refuse(
        [
            f"{relative(path)}:{node.value.lineno} has `run_every`, with which a busy page turns"
            " white: use pages/widgets/ticking.py."
            for path in files("pages")
            for node in ast.walk(tree_of(path))
            if isinstance(node, ast.keyword) and node.arg == "run_every"
        ]
    )


def test_plotly_stays_in_the_figures() -> None:
    refuse(
        [
            f"{found.place} imports {found.module}, and only analysis/figures/ draws with Plotly:"
            " make the figure there, and call it from here."
            for path in files(*PRODUCT, *MAKERS)
            for found in imports(path)
            if found.top == "plotly"
            and not relative(path).startswith("analysis/figures/")
            and relative(path) not in FIGURE_TYPES
        ]
    )


def test_the_pages_only_name_the_type_of_a_figure() -> None:
    offences = []
    for path in files(*FIGURE_TYPES):
        offences += [
            f"{found.place} imports {found.module}, and a page may take `go.Figure` from"
            " plotly.graph_objects and nothing else: make the figure in analysis/figures/."
            for found in imports(path)
            if found.top == "plotly" and found.module != "plotly.graph_objects"
        ]
        offences += [
            f"{relative(path)}:{node.lineno} uses go.{node.attr}, and a page may name `go.Figure`"
            " and nothing else of Plotly: make the figure in analysis/figures/."
            for node in ast.walk(tree_of(path))
            if isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id == "go"
            and node.attr != "Figure"
        ]
    refuse(offences)


def test_the_list_of_figure_types_is_up_to_date() -> None:
    naming = {
        relative(path)
        for path in files("pages", "app.py", "coalesce")
        if any(found.top == "plotly" for found in imports(path))
    }
    refuse(
        [
            f"{path} no longer imports Plotly: remove it from FIGURE_TYPES in"
            " tests/rules/test_interface_libraries.py."
            for path in sorted(set(FIGURE_TYPES) - naming)
        ]
    )
