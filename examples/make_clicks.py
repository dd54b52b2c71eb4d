"""Writes clicks.wav: eight seconds of clicks, one every 0.5 s, starting at 0.5 s.

Each click is 10 ms of a decaying 1 kHz tone. Mono, 16 bits, 44,100 Hz. Needs Python 3 only.
"""

import math
import pathlib
import struct
import wave

RATE = 44_100
SECONDS = 8
INTERVAL = 0.5
CLICK = 0.010

samples = [0] * (RATE * SECONDS)
time = INTERVAL
while time < SECONDS:
    start = round(time * RATE)
    for i in range(min(round(CLICK * RATE), len(samples) - start)):
        fade = math.exp(-i / (0.003 * RATE))
        samples[start + i] = round(28_000 * fade * math.sin(2 * math.pi * 1_000 * i / RATE))
    time += INTERVAL

path = pathlib.Path(__file__).with_name("clicks.wav")
with wave.open(str(path), "wb") as out:
    out.setnchannels(1)
    out.setsampwidth(2)
    out.setframerate(RATE)
    out.writeframes(struct.pack("<%dh" % len(samples), *samples))
