#!/usr/bin/env python3
"""A flame graph of what `perf script` prints: flame_graph.py TITLE <perf.txt >graph.svg

A box is a function, as wide as the share of samples in it and in what it calls; below it lies its
caller. Point at a box for its name and share. `--top N` prints the N functions that most samples
are in themselves, instead.
"""

import argparse
import collections
import html
import re
import sys
import zlib

WIDTH, ROW, LEAST = 1200, 17, 0.4  # pixels; what is narrower than LEAST is left out
FRAME = re.compile(r"^\s+[0-9a-f]+ (.+?)(?:\+0x[0-9a-f]+)? \(.*\)$")


def stacks(lines):
    """Each sample's functions, outermost first."""
    frames = []
    for line in lines:
        if found := FRAME.match(line):
            frames.append(short(found[1]))
        elif not line.strip() and frames:
            yield frames[::-1]
            frames = []
    if frames:
        yield frames[::-1]


def short(name):
    """Without arguments and template arguments, which say little and take all the room."""
    depth, kept = 0, []
    for letter in name.replace("(anonymous namespace)::", "").replace("operator()", "call"):
        if letter in "<(":
            depth += 1
        elif letter in ">)":
            depth = max(0, depth - 1)
        elif depth == 0:
            kept.append(letter)
    return "".join(kept).strip() or name


class Box:
    def __init__(self):
        self.samples = 0
        self.callees = collections.defaultdict(Box)

    def add(self, frames):
        box = self
        box.samples += 1
        for name in frames:
            box = box.callees[name]
            box.samples += 1


def draw(box, name, left, depth, scale, out):
    width = box.samples * scale
    if width < LEAST:
        return depth
    colour = zlib.crc32(name.encode())
    fill = f"rgb(235,{110 + colour % 110},{40 + colour // 110 % 60})"
    share = 100 * width / WIDTH
    label = html.escape(name)
    out.append(f'<g><title>{label}: {share:.2f} %</title>'
               f'<rect x="{left:.1f}" y="{depth * ROW}" width="{width:.1f}" height="{ROW - 1}" '
               f'fill="{fill}"/>')
    letters = int(width / 7)
    if letters > 3:
        text = html.escape(name if len(name) <= letters else name[:letters - 1] + "…")
        out.append(f'<text x="{left + 3:.1f}" y="{depth * ROW + 12}">{text}</text>')
    out.append("</g>")
    deepest = depth
    for callee, inner in sorted(box.callees.items()):
        deepest = max(deepest, draw(inner, callee, left, depth + 1, scale, out))
        left += inner.samples * scale
    return deepest


def svg(title, samples):
    root = Box()
    for frames in samples:
        root.add(frames)
    boxes = []
    deepest = draw(root, f"{title}: {root.samples} samples", 0, 0, WIDTH / max(1, root.samples),
                   boxes)
    height = (deepest + 1) * ROW
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
            f'font-family="monospace" font-size="11">' + "".join(boxes) + "</svg>\n")


def top(samples, count):
    own = collections.Counter(frames[-1] for frames in samples)
    total = max(1, sum(own.values()))
    return "".join(f"{100 * samples / total:6.2f} %  {name}\n"
                   for name, samples in own.most_common(count))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("title")
    parser.add_argument("--top", type=int)
    options = parser.parse_args()
    samples = list(stacks(sys.stdin))
    sys.stdout.write(top(samples, options.top) if options.top else svg(options.title, samples))


if __name__ == "__main__":
    main()
