"""Every named choice of a recipe, a score or an export, each in one sentence.

A choice is declared here and nowhere else: its `Literal` says which names there are, the mapping
beside it says what each of them means. Shell, pages, sweeps, messages and the reference in the
docs read these mappings.
"""

from collections.abc import Mapping
from typing import Final, Literal

Method = Literal["cluster", "magnitude", "surgeon", "random"]

SURGEON: Final = "surgeon"
"""The method that needs a distance that listens."""

METHODS: Mapping[str, str] = {
    "cluster": "Similar units fall into K clusters; each cluster becomes one unit.",
    "magnitude": "The K units of largest L2 norm stay, the others are dropped.",
    SURGEON: "Units go one by one, first those whose work the others can best take over.",
    "random": "K units drawn at random (seeded) stay, the others are dropped.",
}
"""Each compression method."""

Allocation = Literal[
    "uniform",
    "variance",
    "variance-literal",
    "distortion",
    "output-error",
    "end-to-end",
    "manual",
]

OUTPUT_ERROR: Final = "output-error"
"""The allocation that needs a distance that listens."""

END_TO_END: Final = "end-to-end"
"""The allocation that needs the distance "influence"."""

UNBUDGETED: Final = "variance-literal"
"""The one strategy that has no regard for the budget; locked groups are left out of it, no more."""

MANUAL: Final = "manual"
"""K that a person set, group by group: no strategy gives it."""

ALLOCATIONS: Mapping[str, str] = {
    "uniform": "The same fraction of every group: K = round(n·(1 - s)).",
    "variance": "Groups of high parameter variance keep more, those of low variance fewer.",
    UNBUDGETED: "The papers' formula to the letter, which misses the budget.",
    "distortion": "The cheapest merges first, over all groups, per parameter saved.",
    OUTPUT_ERROR: "What disturbs the layers' outputs least goes first, per parameter saved.",
    END_TO_END: "Measured: what changes the model's own words least goes first, per parameter"
    " saved.",
}
"""Each way from sparsity to K per group."""

BY_TREES: tuple[Allocation, ...] = ("distortion", OUTPUT_ERROR, END_TO_END)
"""The allocations that look at merge trees."""

Distance = Literal["weights", "normalised", "contribution", "influence"]

CONTRIBUTION: Final = "contribution"
"""The distance by what units add to the residual stream."""

INFLUENCE: Final = "influence"
"""The distance by what units change in the model's words."""

LISTENING: tuple[Distance, ...] = (CONTRIBUTION, INFLUENCE)
"""The distances that listen."""

DISTANCES: Mapping[str, str] = {
    "weights": "Two units are close when their weights are close: the papers' distance.",
    "normalised": "Weights with the preceding layer norm folded in.",
    CONTRIBUTION: "What units add to the residual stream, measured on sound.",
    INFLUENCE: "What units add, weighed by how much the model's own words depend on it.",
}
"""Each distance between units and what it assumes."""

MergeRule = Literal["mean", "weighted", "medoid", "centroid"]

MERGE_RULES: Mapping[str, str] = {
    "mean": "Mean of the input rows, sum of the output columns.",
    "weighted": "As mean, with units weighted by their squared norms under the distance.",
    "medoid": "The most central member's input rows, sum of the output columns.",
    "centroid": "Mean of rows and columns: the papers' wording, for reproduction.",
}
"""Each way to make one unit of a cluster."""

Repair = Literal["none", "mean", "refit"]

REPAIRS: Mapping[str, str] = {
    "none": "The layer's output bias and the merged output columns stay as they are.",
    "mean": "What the layer put out on average and does no more goes into its output bias.",
    "refit": "The output columns are fitted anew, by ridge regression, to the original output, with"
    " CTC at its variance; the mean goes into the bias.",
}
"""What is done about the output of a changed layer."""

ExcitationKind = Literal["speech", "sounds", "calibrated"]

CALIBRATED: Final = "calibrated"
"""The excitation that needs a person's clips."""

EXCITATIONS: Mapping[str, str] = {
    "speech": "Synthesised speech that ships with Coalesce: no data set.",
    "sounds": "Speech-like sounds made on the spot from a seed: no speech at all.",
    CALIBRATED: "A person's own clips: without training, but not data-free.",
}
"""Each kind of excitation and what it assumes."""

DATA_FREE: tuple[ExcitationKind, ...] = ("speech", "sounds")
"""The kinds that need no data."""

Level = Literal["quick", "standard", "thorough"]

LEVELS: Mapping[str, str] = {
    "quick": "Two minutes of the shipped speech.",
    "standard": "Five minutes of the shipped speech.",
    "thorough": "All of the shipped speech, 24 minutes of English.",
}
"""How much of the shipped speech is listened to."""

Component = Literal["ffn", "heads", "ranks"]

RANKS: Final = "ranks"
"""The kind of unit that lies inside another: ranks of a head's queries and keys."""

COMPONENTS: Mapping[str, str] = {
    "ffn": "The channels of the feed-forward blocks.",
    "heads": "The attention heads, self- and cross-attention.",
    RANKS: "The weakest directions of every head's products of queries and keys (low rank); none is"
    " merged, whatever the method.",
}
"""The kinds of unit that can be removed."""

STOCK_COMPONENTS: tuple[Component, ...] = ("ffn",)
"""What may be compressed in a checkpoint that is to load without code of its own."""

Engine = Literal["ward", "kmeans"]

ENGINES: Mapping[str, str] = {
    "ward": "A merge tree built once: clusters for every K, nested, so that they do not flicker.",
    "kmeans": "The paper's k-means, solved anew for each K.",
}
"""Each clustering engine."""

Seeding = Literal["k-means++", "random"]

SEEDINGS: Mapping[str, str] = {
    "k-means++": "Seeds spread over the units, far from each other.",
    "random": "Seeds drawn uniformly from the units.",
}
"""How k-means starts."""

Normaliser = Literal["whisper-english", "basic", "none"]

NORMALISERS: Mapping[str, str] = {
    "whisper-english": (
        "Whisper's English rules: lower case, no punctuation, “uh” and “um” dropped, "
        "contractions written out, numbers as figures; British spellings stay. Accents and vowel "
        "signs are dropped, so it is for English alone."
    ),
    "basic": (
        "Any language: lower case, punctuation and bracketed remarks removed. Accents and vowel "
        "signs count."
    ),
    "none": (
        "As written; only runs of white space count as one. Accents and vowel signs count, and so "
        "do case and punctuation."
    ),
}
"""What is done to both texts before they are compared. All compare letters with their marks in one
form (NFC); all but "none" take every apostrophe for the same."""

TASKS = ("transcribe", "translate")
"""What a Whisper can be asked to do: write what is said, or write it in English."""

STORED: Final = "stored"

SAVE_DTYPES: Mapping[str, str] = {
    STORED: "As the original is stored; or as it was loaded, where that was chosen.",
    "float32": "Four bytes a number.",
    "float16": "Two bytes a number, none beyond 65,504.",
    "bfloat16": "Two bytes a number, with the range of float32 and fewer digits.",
}
"""In which numbers a checkpoint is saved."""

ExportFormat = Literal["ctranslate2", "onnx"]

EXPORT_FORMATS: Mapping[str, str] = {
    "ctranslate2": "For CTranslate2 and faster-whisper: all of a Whisper.",
    "onnx": "For onnxruntime: all of a CTC model, the encoder of a Whisper.",
}
"""Each runtime that can be exported to."""

EXPORT_PRECISIONS = ("float32", "float16", "int8")
"""In which numbers CTranslate2 holds an exported model."""
