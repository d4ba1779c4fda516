"""What `make demo` ends with: the verdict, the few figures behind it, and what to do next."""

from collections.abc import Sequence
from textwrap import fill
from typing import Any

from pipeline.base.members import STUDIED
from pipeline.results.localisation.methods import BASELINE
from pipeline.results.pictures.shown import fusions_on_validation, shown_member
from pipeline.results.report.verdict import best_map, best_without_image, verdict
from pipeline.results.terminal.aligned import aligned
from pipeline.results.terminal.spans import ends, gained

Metrics = dict[str, Any]

WIDTH = 100

_NEXT = """\
Next, after `source .venv/bin/activate`:
  report/index.html                                  the whole run on one page, with pictures
  dvc exp run -n mlp -S fusion.head=mlp              change something; only what depends on it runs
  cxr predict radiograph.png --age 58 --gender F     findings of a radiograph of your own

Every system, and every heatmap of `model`: `cxr summary --all`."""

_STUDIED, _NO_IMAGE = "under study", "sees no image"


Row = tuple[str, str, str, str]
"""A name, its value, the 95 % interval, what else is to be said."""


def last_screen(systems: Metrics, methods: Metrics, changed: Sequence[str]) -> str:
    """The verdict, a table of at most eight lines, and next steps.

    Args:
        systems: metrics/systems.json.
        methods: metrics/methods.json; empty without boxes.
        changed: files of results that git holds otherwise, relative to the checkout.
    """
    sentences = [_filled(sentence) for sentence in verdict(systems, methods)]
    rows = [
        *_headed("mean AUROC", _system_rows(systems)),
        *_headed("mean IoU", _localisation_rows(methods)),
    ]
    return "\n".join([*sentences, "", aligned(rows), "", _NEXT, *_undo(changed)])


def _filled(sentence: str) -> str:
    """In lines of `WIDTH`, of which none begins with a % sign."""
    kept = sentence.replace(" %", "\u00a0%")
    lines = fill(kept, WIDTH, break_long_words=False, break_on_hyphens=False)
    return lines.replace("\u00a0", " ")


def _headed(measure: str, rows: Sequence[Row]) -> list[tuple[str, ...]]:
    return [("" if place else measure, *row) for place, row in enumerate(rows)]


def _system_rows(systems: Metrics) -> list[Row]:
    """From what is possible down to what needs no image, by way of two members at most."""
    best, several = shown_member(systems), len(fusions_on_validation(systems)) > 1
    shown = {
        "ceiling": "the best that is possible",
        "ensemble": "",
        f"{best}.fusion": "best on validation" if several else _STUDIED,
        f"{best}.global": "",
    }
    shown.setdefault(f"{STUDIED}.fusion", _STUDIED)
    shown["metadata_only"] = _NO_IMAGE
    return [_system(name, systems[name], note) for name, note in shown.items() if name in systems]


def _system(name: str, entry: Metrics, note: str) -> Row:
    share = entry.get("share_of_ceiling")
    said = ["" if share is None else f"{share:.1%} of ceiling", note]
    return _row(name, entry, "mean_auroc", "; ".join(filter(None, said)))


def _localisation_rows(methods: Metrics) -> list[Row]:
    """The best heatmap of any member, and the box without an image that it is compared with."""
    best = best_map(methods)
    if best is None:
        return []
    (owner, method), bar = best, best_without_image(methods)
    mean = methods[owner][method]["mean"]
    lead = gained(mean["lead"], mean.get("lead_low"), mean.get("lead_high"))
    return [
        _row(f"{owner}.{method}", mean, "iou", f"lead {lead}"),
        _row(f"{BASELINE}.{bar}", methods[BASELINE][bar]["mean"], "iou", _NO_IMAGE),
    ]


def _row(name: str, entry: Metrics, measure: str, note: str) -> Row:
    interval = ends(entry.get(f"{measure}_low"), entry.get(f"{measure}_high"))
    return name, f"{entry[measure]:.3f}", interval, note


def _undo(changed: Sequence[str]) -> list[str]:
    """What it means that git holds other results, and how to have those back."""
    if not changed:
        return []
    tops = list(dict.fromkeys(name.partition("/")[0] for name in changed))
    files = "1 changed file" if len(changed) == 1 else f"{len(changed)} changed files"
    said = (
        f"git shows {files} ({', '.join(tops)}), since other params, other code or, in the last "
        "digits, another processor give other results than the committed ones; to have those back:"
    )
    return [_filled(said), f"  git checkout HEAD {' '.join(tops)}"]
