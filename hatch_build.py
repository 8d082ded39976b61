"""Puts `app.py` into the wheel, beside the pages that it draws.

The build backend moves whole folders by its `sources` option, and single files by `force-include`
only. The latter would also copy `app.py` into an editable install, where the copy would grow old.
"""

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class AppBuildHook(BuildHookInterface[Any]):
    """The hook that pyproject.toml calls ``custom``."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the file to a wheel that is no editable install.

        Parameters
        ----------
        version : str
            The kind of wheel: "standard" or "editable".
        build_data : dict
            What the backend does beyond pyproject.toml; it is changed here.
        """
        if version == "standard":
            build_data["force_include"]["app.py"] = "coalesce/app.py"
