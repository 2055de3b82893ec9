"""The same cut in MoviePy, for bench/join.py; runs in MoviePy's own environment.

    python join_moviepy.py OUT OVERLAP PRESET CRF SHOT...

Prints the CPU seconds of this process and of the ffmpeg processes it started, imports excluded.
"""

from __future__ import annotations

import resource
import sys
from fractions import Fraction

from moviepy import VideoFileClip, concatenate_videoclips, vfx


def main() -> None:
    """Make the cut, then print what it took."""
    out, overlap, preset, crf, *shots = sys.argv[1:]
    overlap_s = float(Fraction(overlap))
    before = _cpu_s()
    clips = [VideoFileClip(shot, audio=False) for shot in shots]
    faded = [clips[0], *(clip.with_effects([vfx.CrossFadeIn(overlap_s)]) for clip in clips[1:])]
    film = concatenate_videoclips(faded, method="compose", padding=-overlap_s)
    film.write_videofile(
        out,
        codec="libx264",
        preset=preset,
        ffmpeg_params=["-crf", crf],
        threads=1,
        audio=False,
        logger=None,
    )
    film.close()
    for clip in clips:
        clip.close()  # ends its reader, whose time counts only then
    print(_cpu_s() - before)


def _cpu_s() -> float:
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


if __name__ == "__main__":
    main()
