"""Which files make one volume: a series, split wherever a single regular grid cannot hold it."""

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from backend.imaging.dicom_grid import stack_planes
from backend.imaging.dicom_header import Header
from backend.imaging.reading import derived_uid


@dataclass(frozen=True, eq=False)
class Member:
    path: Path
    header: Header


@dataclass(frozen=True, eq=False)
class Part:
    """The files of one volume in the order of rising k. series_uid: "" when the files name none and pixels must."""

    members: tuple[Member, ...]
    series_uid: str
    warnings: tuple[str, ...] = ()


def parts_of(members: Sequence[Member]) -> list[Part]:
    """Group by Series Instance UID, then by size, kind, orientation and repeat. Files without a UID stand alone.

    The largest part of a series keeps its UID; the others get one derived from it and from their first image's.
    """
    parts: list[Part] = []
    for series in _grouped(members, lambda m: m.header.series_uid or m.path):
        series.sort(key=lambda m: (m.header.number, str(m.path)))
        stacks = [repeat for alike in _alike(series) for repeat in _repeats(alike)]
        stacks.sort(key=len, reverse=True)
        for n, stack in enumerate(stacks):
            said: list[str] = []
            if len(stacks) > 1:
                said.append(f"The series holds {len(stacks)} separate stacks of images; this is number {n + 1}.")
            uid = stack[0].header.series_uid
            if n and uid:
                uid = derived_uid(uid, min(m.header.instance_uid or str(m.header.number) for m in stack))
            parts.append(Part(tuple(_sorted(stack)), uid, tuple(said)))
    return parts


def _alike(members: Sequence[Member]) -> list[list[Member]]:
    """Split by size, kind and orientation; every multi-frame file and every localizer is a volume of its own kind."""
    stacks: list[list[Member]] = []
    for group in _grouped(members, _kind):
        if group[0].header.plane is None:
            stacks.append(group)
            continue
        clusters: list[list[Member]] = []
        for member in group:
            plane = member.header.plane
            assert plane is not None
            for cluster in clusters:
                other = cluster[0].header.plane
                if other is not None and plane.same_orientation(other):
                    cluster.append(member)
                    break
            else:
                clusters.append([member])
        stacks.extend(clusters)
    return stacks


def _kind(member: Member) -> Hashable:
    header = member.header
    spacing = tuple(round(v, 4) for v in header.spacing) if header.spacing else None
    alone = member.path if header.frames > 1 or (header.plane is None and header.projection) else None
    return header.shape, header.kind, spacing, header.localizer, header.plane is None, alone


def _repeats(members: list[Member]) -> list[list[Member]]:
    """Split a stack that covers the same places several times (echoes, phases, b-values) when one header value tells
    them apart; left as it is otherwise, and the grid then says that slices lie at the same place.
    """
    if _once_each(members) or any(m.header.plane is None for m in members):
        return [members]
    for n in range(len(members[0].header.repeats)):
        groups = _grouped(members, lambda m, n=n: m.header.repeats[n])  # type: ignore[misc]
        if len(groups) > 1 and all(_once_each(g) for g in groups):
            return groups
    return [members]


def _once_each(members: Sequence[Member]) -> bool:
    """Whether every place is covered by one image, copies of its file not counted."""
    images = {(_place(m), m.header.instance_uid or str(m.path)) for m in members}
    return len({place for place, _ in images}) == len(images)


def _place(member: Member) -> Hashable:
    plane = member.header.plane
    return tuple(round(float(v), 2) for v in plane.position) if plane is not None else member.path


def _sorted(members: list[Member]) -> list[Member]:
    """By position where all have one; else they stay in the order of their instance numbers."""
    planes = [m.header.plane for m in members if m.header.plane is not None]
    if len(planes) < len(members):
        return members
    return [members[n] for n in stack_planes(planes, None).order]


def _grouped(members: Iterable[Member], key: Callable[[Member], Hashable]) -> list[list[Member]]:
    groups: dict[Hashable, list[Member]] = {}
    for member in members:
        groups.setdefault(key(member), []).append(member)
    return list(groups.values())
