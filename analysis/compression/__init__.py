"""From a recipe to a smaller model.

What comes in: a `SpeechModel`, merge trees, a recipe or a plan, an excitation.
What goes out: K for every group, and a `Compression`: the plan applied, untouched tensors shared.
`planner` makes plans, `allocation` divides a budget, `merging` and `repair` make the weights.
Open `compress` first.
"""
