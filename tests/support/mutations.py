"""Damaged inputs and mistaken settings, the same for the same seed."""

import copy
import io
import json
import random
import re

import numpy as np
from PIL import Image

ODD = [None, True, -1, 0, 0.5, 1e308, 10**30, float("nan"), float("inf"), "", "x", "\0", "é" * 500]
ODD += [[], [1], {}, dict(a=1), [[[[]]]]]


def mutated_json(text, rng):
    """A JSON text with one to three things wrong with it."""
    kind = rng.randrange(8)
    if kind == 0:
        return _flip(text.encode(), rng)
    if kind == 1:
        return text.encode()[: rng.randrange(len(text))]
    if kind == 2:
        depth = rng.choice([50, 5_000, 200_000])
        return ("[" * depth + "]" * depth).encode()
    if kind == 3:
        return rng.choice([b"", b"null", b"[]", b"{}", b"0", b"\xff\xfe\x00", b"{} {}"])
    document = json.loads(text)
    for _ in range(rng.randint(1, 3)):
        _mutate(document, rng)
    return json.dumps(document).encode()


def _mutate(document, rng):
    holder, key = rng.choice(list(_places(document)))
    kind = rng.randrange(4)
    if kind == 0 and isinstance(holder, dict):
        del holder[key]
    elif kind == 1 and isinstance(holder, list):
        holder.insert(rng.randrange(len(holder) + 1), copy.deepcopy(rng.choice(holder)))
    elif kind == 2:  # another's value: a duplicate id, a box in place of a name
        other, name = rng.choice(list(_places(document)))
        holder[key] = copy.deepcopy(other[name])
    else:
        holder[key] = copy.deepcopy(rng.choice(ODD))


def _places(node):
    items = node.items() if isinstance(node, dict) else enumerate(node)
    for key, child in list(items):
        yield node, key
        if isinstance(child, (dict, list)):
            yield from _places(child)


def mutated_xml(text, rng):
    """An XML text with one to three things wrong with it."""
    kind = rng.randrange(7)
    if kind == 0:
        return _flip(text.encode(), rng)
    if kind == 1:
        return text.encode()[: rng.randrange(len(text))]
    if kind == 2:
        depth = rng.choice([50, 5_000, 100_000])
        return ("<a>" * depth + "</a>" * depth).encode()
    if kind == 3:
        entities = "".join(f'<!ENTITY e{i} "{f"&e{i - 1};" * 10}">' for i in range(1, 12))
        bomb = f'<!DOCTYPE a [<!ENTITY e0 "boom">{entities}]><a>&e11;</a>'
        return rng.choice(["", "<annotation/>", "\0", bomb]).encode()
    for _ in range(rng.randint(1, 3)):
        found = rng.choice(list(re.finditer(r"<(\w+)>([^<]*)</\1>", text)))
        value = rng.choice(["", "x", "nan", "inf", "-1", "0", "1e999", "9" * 400, "1.5", "&amp;"])
        new = rng.choice(["", f"<{found[1]}>{value}</{found[1]}>", found[0] * 2])
        text = text[: found.start()] + new + text[found.end() :]
    return text.encode()


def mutated_jpeg(data, rng):
    """A JPEG file with bytes flipped, cut off, cut out, put in, or of another size."""
    kind = rng.randrange(6)
    if kind == 0:
        return _flip(data, rng)
    if kind == 1:
        return data[: rng.randrange(len(data))]
    if kind == 2:
        start = rng.randrange(len(data))
        return data[:start] + data[start + rng.randint(1, 200) :]
    if kind == 3:
        start = rng.randrange(len(data))
        return data[:start] + rng.randbytes(rng.randint(1, 200)) + data[start:]
    if kind == 4:  # height and width in the frame's header
        at = re.search(rb"\xff[\xc0-\xc2]", data).start() + 5
        sides = [rng.choice([0, 1, 7, 5_000, 13_000, 65_535]) for _ in range(2)]
        return data[:at] + b"".join(s.to_bytes(2, "big") for s in sides) + data[at + 4 :]
    start = rng.randrange(len(data))
    return data[:start] + bytes(len(data) - start)


def _flip(data, rng):
    flipped = bytearray(data)
    for _ in range(rng.choice([1, 3, 30])):
        flipped[rng.randrange(len(flipped))] ^= 1 << rng.randrange(8)
    return bytes(flipped)


def photograph(rng, size=(96, 64)):
    """A JPEG of soft colours and noise."""
    noise = np.random.default_rng(rng.randrange(2**32)).integers(0, 255, (8, 12, 3), np.uint8)
    buffer = io.BytesIO()
    image = Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC)
    image.save(buffer, "JPEG", progressive=rng.random() < 0.5)
    return buffer.getvalue()


def misspelt(word, rng):
    """The word with a letter left out, doubled, swapped with the next, or replaced."""
    at = rng.randrange(1, len(word) - 1)
    return {
        0: word[:at] + word[at + 1 :],
        1: word[:at] + word[at] + word[at:],
        2: word[:at] + word[at + 1] + word[at] + word[at + 2 :],
        3: word[:at] + "x" + word[at + 1 :],
    }[rng.randrange(4)]


def seeded(seed):
    return random.Random(seed)
