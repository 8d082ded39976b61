"""HuBERT with a CTC head, base and large."""

from analysis.models.architectures.ctc_encoder import ctc_architecture

HUBERT = ctc_architecture("hubert", "HuBERT-CTC", "HubertForCTC", prefix="hubert")
