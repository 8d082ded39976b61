"""Measurements that a model card tells."""

from analysis.delivery.model_card import Measurement

MEASURED = (Measurement("three clips", 3, 40, 0.125, "whisper-english", 0.1),)
