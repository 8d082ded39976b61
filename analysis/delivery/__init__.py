"""How a model leaves: checkpoint folder, archive, hub, CTranslate2, ONNX.

What comes in: a `SpeechModel` with its plans, and measurements for its card.
What goes out: files that are written whole or not at all, each checked before it is kept.
An export that would be silently wrong is refused with its reason.
Open `saving` first; `archive` knows all formats.
"""
