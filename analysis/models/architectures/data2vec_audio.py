"""data2vec-audio with a CTC head."""

from analysis.models.architectures.ctc_encoder import ctc_architecture

DATA2VEC_AUDIO = ctc_architecture(
    "data2vec-audio", "data2vec-audio-CTC", "Data2VecAudioForCTC", prefix="data2vec_audio"
)
