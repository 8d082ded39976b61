"""Every named choice of a recipe, a score or an export, each in one sentence."""

from collections.abc import Mapping
from types import MappingProxyType

OUTPUT_ERROR = "output-error"
"""The allocation that needs the contribution distance."""


ALLOCATIONS: Mapping[str, str] = {
    "uniform": "The same fraction of every group: K = round(n·(1 - s)).",
    "variance": "Groups of high parameter variance keep more, those of low variance fewer.",
    "variance-literal": "The papers' formula to the letter, which misses the budget.",
    "distortion": "The cheapest merges first, over all groups, per parameter saved.",
    OUTPUT_ERROR: "What disturbs the layers' outputs least goes first, per parameter saved.",
}
"""Each way from sparsity to K per group, in one sentence."""


ENGINES: Mapping[str, str] = {
    "ward": "A merge tree built once: clusters for every K, nested, so that they do not flicker.",
    "kmeans": "The paper's k-means, solved anew for each K.",
}
"""Each clustering engine, in one sentence."""


CONTRIBUTION = "contribution"
"""The distance that listens."""


DISTANCES: Mapping[str, str] = {
    "weights": "Two units are close when their weights are close: the papers' distance.",
    "normalised": "Weights with the preceding layer norm folded in.",
    CONTRIBUTION: "What units add to the residual stream, measured on sound.",
}
"""Each distance between units and what it assumes, in one sentence."""


EXCITATIONS: Mapping[str, str] = {
    "speech": "Synthesised speech that ships with Coalesce: no data set.",
    "sounds": "Speech-like sounds made on the spot from a seed: no speech at all.",
    "calibrated": "A person's own clips: without training, but not data-free.",
}
"""Each kind of excitation and what it assumes, in one sentence."""


DATA_FREE = ("speech", "sounds")
"""The kinds that need no data."""


EXPORT_FORMATS = {
    "ctranslate2": "For CTranslate2 and faster-whisper: all of a Whisper.",
    "onnx": "For onnxruntime: all of a CTC model, the encoder of a Whisper.",
}
"""Each runtime that can be exported to, in one sentence."""


UNBUDGETED = "variance-literal"
"""The one strategy that has no regard for the budget; locked groups are left out of it, no more."""


MERGE_RULES: Mapping[str, str] = {
    "mean": "Mean of the input rows, sum of the output columns.",
    "weighted": "As mean, with units weighted by their squared norms under the distance.",
    "medoid": "The most central member's input rows, sum of the output columns.",
    "centroid": "Mean of rows and columns: the papers' wording, for reproduction.",
}
"""Each merge rule, in one sentence."""


COMPONENTS: Mapping[str, str] = {
    "ffn": "The channels of the feed-forward blocks.",
    "heads": "The attention heads, self- and cross-attention.",
}
"""The two kinds of unit that can be merged, in one sentence each."""


REPAIRS: Mapping[str, str] = {
    "none": "The layer's output bias and the merged output columns stay as they are.",
    "mean": "What the layer put out on average and does no more goes into its output bias.",
    "refit": "The output columns are fitted anew, by ridge regression, to the original output; the "
    "mean goes into the bias.",
}
"""What is done about the output of a changed layer, in one sentence each."""


SEEDINGS: Mapping[str, str] = {
    "k-means++": "Seeds spread over the units, far from each other.",
    "random": "Seeds drawn uniformly from the units.",
}
"""How k-means starts, in one sentence each."""


NORMALISERS: Mapping[str, str] = MappingProxyType(
    {
        "whisper-english": (
            "Whisper's English rules: lower case, no punctuation, “uh” and “um” dropped, "
            "contractions written out, numbers as figures; British spellings stay."
        ),
        "basic": "Any language: lower case, punctuation and bracketed remarks removed.",
        "none": "As written; only runs of white space count as one.",
    }
)
"""What is done to both texts before they are compared."""


SURGEON = "surgeon"
"""The method that needs the contribution distance."""


METHODS: Mapping[str, str] = {
    "cluster": "Similar units fall into K clusters; each cluster becomes one unit.",
    "magnitude": "The K units of largest L2 norm stay, the others are dropped.",
    SURGEON: "Units go one by one, first those whose work the others can best take over.",
    "random": "K units drawn at random (seeded) stay, the others are dropped.",
}
"""Each compression method, in one sentence."""


STOCK_COMPONENTS = ("ffn",)
"""What may be compressed in a checkpoint that is to load without code of its own."""
