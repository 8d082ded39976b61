"""The plan that a visitor edits: settings, K per group, undo, presets, recipes.

What comes in: what the widgets hold, and the merge trees that are there.
What goes out: `Settings`, a `Draft` of the plan, and all that draws and changes it.
`settings` is state, `controls` draws it; `group_choice` is the group on show on every page.
Open `settings` first.
"""
