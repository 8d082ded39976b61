"""What a checkpoint stores and its class does not read: refused where it changes the model."""

import re
from collections.abc import Collection, Mapping

from analysis.errors import UserError

_ADAPTER = re.compile(
    r"(^|\.)(lora(_\w+)?|base_layer|modules_to_save|original_module|ia3_\w+|vera_\w+|hada_\w+"
    r"|lokr_\w+|b?oft_\w+|weight_magnitude|adapters|prompt_embeddings)(\.|$)"
)
_QUANTISED = re.compile(
    r"\.(SCB|weight_format|absmax|quant_map|nested_absmax|quant_state\..*|qweight|qzeros|scales"
    r"|g_idx|weight_scale|weight_scale_inv|weight_zero_point|input_scale|_packed_params.*)$"
)
_NOT_FLOATING = ("BOOL", "U", "I", "F8", "F4", "F6_")  # names of dtypes in safetensors
_NAMED = 3  # tensors that a note names


def refuse_foreign_tensors(stored: Mapping[str, str], expected: Collection[str], name: str) -> None:
    """Refuse tensors without which a model is another one.

    Parameters
    ----------
    stored : mapping of str to str
        Name of every stored tensor, and its dtype as safetensors calls it, e.g. "F16".
    expected : collection of str
        Names of the parameters that the class has.
    name : str
        The model's name, for messages.

    Raises
    ------
    UserError
        For an adapter that is not merged and for quantised weights; says what to do.
    """
    adapter = next((key for key in stored if _ADAPTER.search(key)), None)
    if adapter:
        raise UserError(
            f"{name} carries an adapter (LoRA) that is not merged into its weights: {adapter}.",
            "Merge it first: call merge_and_unload() of peft, then save_pretrained().",
        )
    quantised = next((key for key in stored if _QUANTISED.search(key)), None) or next(
        (key for key in expected if stored.get(key, "").startswith(_NOT_FLOATING)), None
    )
    if quantised:
        kind = stored[quantised]
        raise UserError(
            f"The weights of {name} are quantised: {quantised} is stored as {kind}.",
            "Give the original, or call dequantize() of transformers and save that.",
        )


def refuse_wrapped(stored: Collection[str], expected: Collection[str], name: str) -> None:
    """Refuse tensors that are missing only because a wrapper has changed their names.

    Parameters
    ----------
    stored, expected : collection of str
        Names in the checkpoint, and those that the class has.
    name : str
        The model's name, for messages.

    Raises
    ------
    UserError
    """
    prefix = wrapper_prefix(stored, expected)
    if prefix:
        raise UserError(
            f"The tensors of {name} are named as a wrapper calls them: “{prefix}” stands before"
            " every name.",
            "Save the model inside the wrapper (save_pretrained), or take the prefix away.",
        )


def wrapper_prefix(stored: Collection[str], expected: Collection[str]) -> str:
    """What stands before the names of most tensors, as `DataParallel` or `compile` put it there.

    Examples
    --------
    >>> wrapper_prefix(["module.a.weight", "module.b.weight"], ["a.weight", "b.weight"])
    'module.'
    >>> wrapper_prefix(["a.weight", "b.weight"], ["a.weight", "b.weight"])
    ''
    """
    wanted = set(expected)
    if wanted & set(stored):
        return ""
    found: dict[str, int] = {}
    for key in stored:
        parts = key.split(".")
        for cut in range(1, len(parts)):
            if ".".join(parts[cut:]) in wanted:
                prefix = ".".join(parts[:cut]) + "."
                found[prefix] = found.get(prefix, 0) + 1
                break
    best = max(found, key=lambda prefix: found[prefix], default="")
    return best if found.get(best, 0) > len(wanted) / 2 else ""


def note_unused(unused: Collection[str]) -> tuple[str, ...]:
    """One sentence that names tensors which are stored and not used, where there are any.

    Examples
    --------
    >>> note_unused(["b", "a"])
    ('2 stored tensors are not used, and are not saved again: a, b.',)
    """
    if not unused:
        return ()
    names = sorted(unused)
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    what = "tensor is not used, and is" if len(names) == 1 else "tensors are not used, and are"
    listed = ", ".join(names[:_NAMED])
    return (f"{len(names)} stored {what} not saved again: {listed}{more}.",)
