"""What must hold for the records of a data set: one table of rules.

A rule is about a field of a record (an image, an annotation, a keypoint of the
metainfo) and looks at nothing but the record and what is known of its file.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from .faults import DataError

#: When a record may lack a field.
NEVER, IN_TRAINING, ALWAYS = range(3)
#: How many of the records that break a rule are named.
NAMED = 20


class Rule(NamedTuple):
    """What a field must be.

    Attributes:
        kind: Of the records.
        field: Name of the field.
        wanted: In words, behind "must be"; ``{name}`` stands for what is known.
        holds: Of the value, its record, and what is known of the file.
        missing: When a record may lack the field.
    """

    kind: str
    field: str
    wanted: str
    holds: Callable[[Any, Mapping, dict], Any]
    missing: int = NEVER


def are_numbers(values: Any, count: int, above: float = -math.inf) -> bool:
    """Whether something is a flat list of so many finite numbers above a limit."""
    return (
        isinstance(values, (list, tuple))
        and len(values) == count
        and set(map(type, values)) <= {int, float}
        and math.isfinite(sum(values))
        and min(values, default=math.inf) > above
    )


def count_labelled(annotation: Mapping) -> int:
    """Count the keypoints that are labelled: those whose flag is above 0."""
    return sum(flag > 0 for flag in annotation["keypoints"][2::3])


def _has_keypoints(annotation: Mapping, known: dict) -> bool:
    return are_numbers(annotation.get("keypoints"), 3 * known["keypoints"])


def _is_scored(annotation: Mapping, known: dict) -> bool:
    """Whether an evaluation divides by the area of an annotation."""
    readable = known["test_mode"] and _has_keypoints(annotation, known)
    return readable and not annotation.get("iscrowd") and count_labelled(annotation) > 0


LIST = ("a list", lambda v, r, k: isinstance(v, list))
TEXT = ("a text", lambda v, r, k: isinstance(v, str))
WHOLE = ("an integer", lambda v, r, k: type(v) is int)
SIZE = ("a positive integer", lambda v, r, k: type(v) is int and v > 0)
ID = (
    "an integer that no other {kind} has",
    lambda v, r, k: type(v) is int and k["ids"][repr(v)] == 1,
)
RULES = (
    Rule("file", "images", *LIST),
    Rule("file", "annotations", *LIST),
    Rule("file", "categories", *LIST),
    Rule("image", "id", *ID),
    Rule("image", "file_name", *TEXT),
    Rule("image", "width", *SIZE),
    Rule("image", "height", *SIZE),
    Rule("category", "id", *ID),
    Rule("annotation", "id", *ID),
    Rule("annotation", "image_id", *WHOLE),
    Rule(
        "annotation", "category_id", "the id of one of the categories, {categories}",
        lambda v, r, k: v in k["categories"],
    ),
    Rule(
        "annotation", "bbox", "four finite numbers: x, y, width, height",
        lambda v, r, k: are_numbers(v, 4), IN_TRAINING,
    ),
    Rule(
        "annotation", "keypoints",
        "x, y and flag of each of the {keypoints} keypoints of the metainfo, in one "
        "list of finite numbers, no flag below 0",
        lambda v, r, k: _has_keypoints(r, k) and min(v[2::3]) >= 0, IN_TRAINING,
    ),
    Rule(
        "annotation", "num_keypoints", "the number of keypoints whose flag is above 0",
        lambda v, r, k: not _has_keypoints(r, k) or v == count_labelled(r), ALWAYS,
    ),
    Rule("annotation", "iscrowd", "0 or 1", lambda v, r, k: v in (0, 1), ALWAYS),
    Rule(
        "annotation", "area",
        "the positive area of the object in pixels, as an evaluation divides by it "
        "(0.53 of the box is a usual guess)",
        lambda v, r, k: not _is_scored(r, k) or are_numbers([v], 1, above=0), ALWAYS,
    ),
    Rule(
        "detection", "image_id", "the id of an image of {ann_file}",
        lambda v, r, k: v in k["images"],
    ),
    Rule("detection", "category_id", *WHOLE),
    Rule(
        "detection", "bbox", "four numbers: x, y, and a positive width and height",
        lambda v, r, k: are_numbers(v, 4) and min(v[2:]) > 0,
    ),
    Rule("detection", "score", "a finite number", lambda v, r, k: are_numbers([v], 1)),
    Rule(
        "person", "joints", "finite x and y of each of the {keypoints} keypoints",
        lambda v, r, k: len(v) == k["keypoints"] and all(are_numbers(p, 2) for p in v),
    ),
    Rule(
        "keypoint", "id", "its number in keypoint_info, and these 0, 1, 2, ...",
        lambda v, r, k: v == r["number"] == k["names"].index(r["name"]),
    ),
    Rule(
        "keypoint", "name", "a text that no other keypoint has",
        lambda v, r, k: isinstance(v, str) and k["names"].count(v) == 1,
    ),
    Rule(
        "keypoint", "swap",
        "empty, or the name of the keypoint that this one becomes in a mirror image, "
        "whose own swap is this one",
        lambda v, r, k: not v or k["swaps"][v] == r["name"], ALWAYS,
    ),
    Rule(
        "link", "link", "the names of two keypoints",
        lambda v, r, k: len(v) == 2 and all(name in k["names"] for name in v),
    ),
    Rule(
        "metainfo", "joint_weights", "{keypoints} numbers, one for each keypoint",
        lambda v, r, k: are_numbers([*map(float, v)], k["keypoints"]),
    ),
    Rule(
        "metainfo", "sigmas", "{keypoints} positive numbers, one for each keypoint",
        lambda v, r, k: are_numbers([*map(float, v)], k["keypoints"], above=0),
    ),
)  # fmt: skip


def find_faults(
    place: str, kind: str, records: Iterable, test_mode: bool = False, **known: Any
) -> list[str]:
    """Say which records break the rules of their kind, a sentence for each rule.

    Args:
        place: The file, or what else they come from.
        kind: As in :data:`RULES`.
        records: The records; others than dicts have no field.
        test_mode: Whether an evaluation reads them.
        **known: What the rules of this kind know of the file.
    """
    records = [record if isinstance(record, Mapping) else {} for record in records]
    ids = Counter(repr(record.get("id")) for record in records)
    known.update(kind=kind, ids=ids, test_mode=test_mode)
    faults = []
    for rule in [rule for rule in RULES if rule.kind == kind]:
        broken = [k for k, record in enumerate(records) if _breaks(rule, record, known)]
        if broken:
            first, *others = [_name(kind, records[k], k) for k in broken[:NAMED]]
            found = records[broken[0]]
            got = repr(found[rule.field]) if rule.field in found else "nothing"
            wanted = rule.wanted.format(**known)
            more = f"; and {len(broken) - 1} more: {', '.join(others)}"
            text = f"{place}: {first}: {rule.field} must be {wanted}, got {got[:80]}"
            faults.append(text + more * bool(others))
    return faults


def _breaks(rule: Rule, record: Mapping, known: dict) -> bool:
    if rule.field not in record:
        return rule.missing < (ALWAYS if known["test_mode"] else IN_TRAINING)
    try:
        return not rule.holds(record[rule.field], record, known)
    except (LookupError, TypeError, ValueError):  # of another kind than expected
        return True


def _name(kind: str, record: Mapping, number: int) -> str:
    """Name a record as a person finds it in its file."""
    if kind in ("file", "metainfo"):
        return kind
    image = f" of image {record['image_id']}" if "image_id" in record else ""
    file = f" ({record['file_name']})" if "file_name" in record else ""
    return f"{kind} {record.get('id', number)}{image}{file}"


def coco_faults(place: str, content: Any, keypoints: int, test_mode: bool) -> list[str]:
    """Say what is wrong in a file in COCO's format, by its content.

    ``keypoints`` is how many an object has; in ``test_mode`` an evaluation reads it.
    """
    faults = find_faults(place, "file", [content])
    if faults:
        return faults
    categories = [c.get("id") for c in content["categories"] if isinstance(c, dict)]
    known: dict = dict(keypoints=keypoints, categories=categories, test_mode=test_mode)
    return [
        *find_faults(place, "image", content["images"]),
        *find_faults(place, "category", content["categories"]),
        *find_faults(place, "annotation", content["annotations"], **known),
    ]


def metainfo_faults(place: str, metainfo: Mapping) -> list[str]:
    """Say what is wrong in a description of keypoints, as MMPose takes it."""
    info = metainfo.get("keypoint_info")
    if not isinstance(info, Mapping) or not info:
        return [f"{place}: keypoint_info must be a dict of keypoints, got {info!r}"]
    points = [{"id": key, **point, "number": key} for key, point in info.items()]
    names = [point.get("name") for point in points]
    swaps = {point.get("name"): point.get("swap") for point in points}
    known: dict = dict(keypoints=len(points), names=names, swaps=swaps)
    links = (metainfo.get("skeleton_info") or {}).values()
    return [
        *find_faults(place, "keypoint", points, **known),
        *find_faults(place, "link", links, **known),
        *find_faults(place, "metainfo", [metainfo], **known),
    ]


def refuse(faults: Sequence[str]) -> None:
    """Stop at faults.

    Raises:
        DataError: If there are any; it has a line for each.
    """
    if faults:
        raise DataError("\n".join(faults))
