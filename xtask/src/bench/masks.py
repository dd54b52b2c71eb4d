"""The same as `examples/masks.rs` by pycocotools: its C alone, called without Cython."""
import ctypes, json, sys, time
from ctypes import c_char_p, c_double, c_ubyte, c_uint, c_ulong, c_void_p, POINTER, byref
import pycocotools._mask as module

lib = ctypes.CDLL(module.__file__)

class RLE(ctypes.Structure):
    _fields_ = [("h", c_ulong), ("w", c_ulong), ("m", c_ulong), ("cnts", c_void_p)]

lib.rleToString.restype = c_void_p
lib.rleFree.argtypes = [POINTER(RLE)]
lib.umin.argtypes = [c_uint, c_uint]
lib.rleFrPoly.argtypes = [POINTER(RLE), c_void_p, c_ulong, c_ulong, c_ulong]
lib.rleEncode.argtypes = [POINTER(RLE), c_void_p, c_ulong, c_ulong, c_ulong]
lib.rleDecode.argtypes = [POINTER(RLE), c_void_p, c_ulong]
lib.rleToString.argtypes = [POINTER(RLE)]
lib.rleFrString.argtypes = [POINTER(RLE), c_char_p, c_ulong, c_ulong]
free = ctypes.CDLL(None).free
free.argtypes = [c_void_p]

data = json.load(open(sys.argv[1]))
width, height = data["images"][0]["width"], data["images"][0]["height"]
rings = [(c_double * len(ring))(*ring) for one in data["annotations"]
         if isinstance(one["segmentation"], list) for ring in one["segmentation"]]
del data
clock = time.perf_counter

def timed(name, count, calls, work):
    """Prints the shortest of several times, less what calling from Python costs."""
    best, empty = 1e9, 1e9
    for _ in range(5):
        began = clock()
        for at in range(calls):
            lib.umin(1, 2)
        empty = min(empty, clock() - began)
        best = min(best, work())
    print("%s: %.4f" % (name, (best - empty) * 1e6 / count))

count = len(rings)
masks = (RLE * count)()
refs = [ctypes.pointer(mask) for mask in masks]
jobs = [(ref, ctypes.cast(ring, c_void_p), len(ring) // 2) for ref, ring in zip(refs, rings)]

def polygons():
    for ref in refs:
        lib.rleFree(ref)
    took = clock()
    for ref, ring, corners in jobs:
        lib.rleFrPoly(ref, ring, corners, height, width)
    return clock() - took

timed("polygon to mask", count, count, polygons)
texts = []

def to_text():
    made = []
    took = clock()
    for ref in refs:
        made.append(lib.rleToString(ref))
    took = clock() - took
    texts[:] = [ctypes.string_at(text) for text in made]
    for text in made:
        free(text)
    return took

timed("mask to text", count, count, to_text)

def from_text():
    for ref in refs:
        lib.rleFree(ref)
    took = clock()
    for ref, text in zip(refs, texts):
        lib.rleFrString(ref, text, height, width)
    return clock() - took

timed("text to mask", count, count, from_text)
few = min(400, count)
pixels = (c_ubyte * (width * height))()

def decode():
    took = clock()
    for ref in refs[:few]:
        lib.rleDecode(ref, pixels, 1)
    return clock() - took

timed("mask to pixels", few, few, decode)
columns = (c_ubyte * (width * height * few))()
lib.rleDecode(refs[0], columns, few)
again = (RLE * few)()

def encode():
    for mask in again:
        lib.rleFree(byref(mask))
    took = clock()
    lib.rleEncode(again, columns, height, width, few)
    return clock() - took

timed("pixels to mask", few, 1, encode)
total = 0
for text in texts:
    for byte in text + b"\n":
        total = (total * 31 + byte) & 0xFFFFFFFF
print("sum %d" % total)
