"""The shell: the same engine as the pages, for scripts and machines without a screen.

What comes in: the words of a command.
What goes out: lines for people or JSON for machines, and an exit code.
`parser` declares what each command takes and loads the rest only when a command runs.
Open `parser` first.
"""
