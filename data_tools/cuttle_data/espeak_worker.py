"""A process that speaks (speech.py runs it): lines of JSON [text, voice, words a minute] in,
utterances out.

Out, per line: the sample rate and the number of samples (two native int32; no samples: it could not
be spoken), then the samples (int16). libespeak-ng carries state from one utterance to the next
(phases, noise), so the bytes depend on all lines up to this one, and on nothing else.
"""

import ctypes
import json
import struct
import sys

LIBRARY = "libespeak-ng.so.1"
SYNCHRONOUS = 2  # AUDIO_OUTPUT_SYNCHRONOUS: espeak_Synth calls back and returns when all is said
DO_NOT_EXIT = 0x8000  # espeakINITIALIZE_DONT_EXIT
RATE_PARAMETER = 1  # espeakRATE
UTF8 = 1  # espeakCHARS_UTF8
CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)


def speak(library, text, voice, words_per_minute):
    """The bytes of one utterance, b"" if the library refuses."""
    chunks = []

    def collect(samples, count, _events):
        if samples and count > 0:
            chunks.append(ctypes.string_at(samples, 2 * count))
        return 0

    callback = CALLBACK(collect)
    library.espeak_SetSynthCallback(callback)
    data = text.encode()
    refused = (library.espeak_SetVoiceByName(voice.encode())
               or library.espeak_SetParameter(RATE_PARAMETER, words_per_minute, 0)
               or library.espeak_Synth(ctypes.c_char_p(data), ctypes.c_size_t(len(data) + 1), 0, 0,
                                       0, UTF8, None, None))
    return b"" if refused else b"".join(chunks)


def main():
    library = ctypes.CDLL(LIBRARY)
    sample_rate = library.espeak_Initialize(SYNCHRONOUS, 0, None, DO_NOT_EXIT)
    if sample_rate <= 0:
        sys.exit("espeak-ng finds no voices")
    for line in sys.stdin.buffer:
        spoken = speak(library, *json.loads(line))
        sys.stdout.buffer.write(struct.pack("=ii", sample_rate, len(spoken) // 2) + spoken)


if __name__ == "__main__":
    main()
