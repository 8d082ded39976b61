"""From a sound file to text, and the synthesised speech that compression listens to.

What comes in: a file or samples, and a `SpeechModel`.
What goes out: checked audio (mono, float32, 16 kHz), transcripts with their cost, excitations.
Whisper's way is `seq2seq`, that of HuBERT and wav2vec 2.0 is `ctc`; both answer `recognition`.
Open `transcription` first.
"""
