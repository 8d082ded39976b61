"""wav2vec 2.0 with a CTC head, base and large."""

from analysis.models.architectures.ctc_encoder import ctc_architecture

WAV2VEC2 = ctc_architecture("wav2vec2", "wav2vec2-CTC", "Wav2Vec2ForCTC", prefix="wav2vec2")
