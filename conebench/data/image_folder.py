"""Folders of images, listed by class and checked before any image is read."""

import os
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from conebench.data.image_files import shown
from conebench.errors import DataMissingError, SpecError, StorageError
from conebench.spec.datasets import Dataset, DatasetFacts

PARTS = ("train", "test")
# Those of torchvision's ImageFolder. Another one would change the hash of folders that have it.
SUFFIXES = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")
MOST_NAMED = 3
MOST_COUNTED = 10

# The paths of each class of each part.
Images = dict[str, dict[str, list[str]]]


@dataclass(frozen=True)
class ImageFolder:
    """The files of an image folder, and notes on them for the user."""

    images: Images
    notes: tuple[str, ...]

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes; their positions are the labels."""
        return tuple(self.images["train"])

    def labeled(self, part: str) -> list[tuple[str, int]]:
        """Return the paths of a part with their labels, class by class."""
        by_class = enumerate(self.images[part].values())
        return [(path, label) for label, paths in by_class for path in paths]


def list_image_folder(folder: Path) -> ImageFolder:
    """List the images of a folder by part and class.

    No image is read. The order of classes and images is that of torchvision's ImageFolder.

    Raises:
        DataMissingError: `train` or `test` is missing or empty.
        SpecError: The folder is no dataset of two or more classes, or links count images twice.
        StorageError: A folder cannot be read.

    """
    walk = _Walk(folder)
    try:
        images = {part: walk.list_part(part) for part in PARTS}
    except OSError as error:
        raise StorageError(f"{shown(error.filename)}: cannot be read: {error.strerror}") from None
    _check_names(folder, images)
    _check_images(folder, images, walk.others)
    return ImageFolder(images, (*walk.notes(), *_imbalance(images)))


def folder_facts(dataset: Dataset, root: Path) -> DatasetFacts:
    """Return the sizes of an image folder on this machine."""
    found = list_image_folder(root / str(dataset.folder))
    train, test = (len(found.labeled(part)) for part in PARTS)
    return DatasetFacts(len(found.classes), dataset.facts.channels, None, train, test)


class _Walk:
    """One walk through an image folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = Path(os.path.realpath(folder))
        # Paths that were skipped.
        self.hidden: list[str] = []
        self.unclassed: list[str] = []
        self.others: list[str] = []
        self.links_out: list[str] = []
        # Paths that lead out of the folder, by where they lead.
        self.reached: dict[Path, str] = {}

    def list_part(self, part: str) -> dict[str, list[str]]:
        """Return the paths of each class folder of a part."""
        top = self.folder / part
        if top.is_symlink():
            self._follow(str(top))
        entries = self._visible(str(top)) if top.is_dir() else []
        classes = {e.name: self._images_below(e.path) for e in entries if e.is_dir()}
        files = [entry for entry in entries if not entry.is_dir()]
        images = [entry.path for entry in files if _is_image(entry)]
        if not classes and images:
            raise SpecError(
                f"{shown(top)}: got {_count(images, 'image')} and no class folders, expected "
                f"{part}/<class>/<image>"
            )
        if not classes:
            found = "holds no class folders" if top.is_dir() else "is a file"
            what = found if top.exists() else "is missing"
            raise DataMissingError(
                f"dataset folder {shown(top)} {what}; put images there as "
                "<class>/<image>.png, or choose --data-root or CONEBENCH_DATA"
            )
        self.unclassed += images
        self.others += [entry.path for entry in files if not _is_image(entry)]
        return classes

    def _images_below(self, top: str) -> list[str]:
        """Return the images of a class, at any depth."""
        images: list[tuple[str, str, str]] = []
        waiting = [top]
        while waiting:
            folder = waiting.pop()
            for entry in self._visible(folder):
                if entry.is_dir():
                    waiting.append(entry.path)
                elif _is_image(entry):
                    images.append((folder, entry.name, entry.path))
                else:
                    self.others.append(entry.path)
        # Labels, and so the hash, depend on this order.
        return [path for *_, path in sorted(images)]

    def _visible(self, folder: str) -> list[os.DirEntry[str]]:
        """List what is not hidden in a folder, and check its links."""
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
        self.hidden += [entry.path for entry in entries if entry.name.startswith(".")]
        visible = [entry for entry in entries if not entry.name.startswith(".")]
        real_folder = Path(os.path.realpath(folder))
        is_outside = not real_folder.is_relative_to(self.root)
        for entry in visible:
            if entry.is_symlink():
                self._follow(entry.path)
            elif is_outside:
                self._count_once(entry.path, real_folder / entry.name)
        return visible

    def _follow(self, link: str) -> None:
        """Note a link out of the folder, and refuse any other."""
        # Path.resolve raises where links lead to each other.
        target = Path(os.path.realpath(link))
        if not target.exists():
            raise SpecError(f"{shown(link)}: links to {shown(target)}, which does not exist")
        # Twice the same license text does no harm.
        if not target.is_dir() and not link.lower().endswith(SUFFIXES):
            return
        if target.is_relative_to(self.root) or self.root.is_relative_to(target):
            raise SpecError(
                f"{shown(link)}: links back into the dataset, to {shown(target)}, so images would "
                "count twice"
            )
        self._count_once(link, target)
        self.links_out.append(link)

    def _count_once(self, path: str, target: Path) -> None:
        first = self.reached.setdefault(target, path)
        if first != path:
            raise SpecError(
                f"{shown(path)}: leads to the same place as {shown(first)}, so images would count "
                "twice"
            )

    def notes(self) -> Iterator[str]:
        """Yield a line for each kind of path skipped or followed."""
        for paths, verb, noun, where in (
            (self.hidden, "skipped", "hidden item", ""),
            (self.unclassed, "skipped", "image", " outside class folders"),
            (self.others, "skipped", "file", " of other types"),
            (self.links_out, "followed", "link", " out of the folder"),
        ):
            if paths:
                # Paths are shown below the folder: its name and one separator are cut off.
                start = len(str(self.folder / "_")) - 1
                names = [path[start:] for path in sorted(paths)]
                yield f"{verb} {_count(paths, noun)}{where}: {_listed(names)}"


def _is_image(entry: os.DirEntry[str]) -> bool:
    return entry.name.lower().endswith(SUFFIXES) and entry.is_file()


def _check_names(folder: Path, images: Images) -> None:
    train, test = (set(images[part]) for part in PARTS)
    # The same letters may be stored in several ways, which no terminal tells apart.
    by_form: dict[str, str] = {}
    for name in sorted(train | test):
        other = by_form.setdefault(unicodedata.normalize("NFC", name), name)
        if other != name:
            places = [
                f"{'train' if n in train else 'test'}/{ascii(n)[1:-1]}" for n in (other, name)
            ]
            raise SpecError(
                f"{shown(folder)}: class folders {' and '.join(places)} have one name in two "
                "Unicode forms; rename one of them"
            )
    if train != test:
        only = [
            f"only in {part}: {_listed(sorted(names))}"
            for part, names in (("train", train - test), ("test", test - train))
            if names
        ]
        raise SpecError(f"{shown(folder)}: class folders differ: {'; '.join(only)}")
    if len(train) < 2:
        raise SpecError(
            f"{shown(folder)}: got one class folder, {shown(*train)}, expected two or more"
        )


def _check_images(folder: Path, images: Images, others: Sequence[str]) -> None:
    empty = [
        folder / part / name for part in PARTS for name in images[part] if not images[part][name]
    ]
    if empty:
        named = [f"{path.relative_to(folder)} ({_kinds(path, others)})" for path in empty]
        raise SpecError(
            f"{shown(folder)}: class folders without images: {_listed(named)}; images end in "
            f"{', '.join(SUFFIXES)}"
        )


def _kinds(folder: Path, others: Sequence[str]) -> str:
    inside = [Path(path).suffix for path in others if path.startswith(f"{folder}{os.sep}")]
    counts = sorted(Counter(inside).items())
    return ", ".join(f"{count} {kind or 'without suffix'}" for kind, count in counts) or "empty"


def _imbalance(images: Images) -> Iterator[str]:
    """Yield a line for each part with unequal classes."""
    for part in PARTS:
        counts = {name: len(paths) for name, paths in images[part].items()}
        fewest, most = min(counts, key=counts.__getitem__), max(counts, key=counts.__getitem__)
        if counts[fewest] == counts[most]:
            continue
        text = ", ".join(f"{shown(name)} {count:,}" for name, count in counts.items())
        if len(counts) > MOST_COUNTED:
            text = (
                f"{counts[fewest]:,} ({shown(fewest)}) to {counts[most]:,} ({shown(most)}), "
                f"{len(counts):,} classes"
            )
        yield f"{part} images by class: {text}"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_NAMED:,} more" if len(names) > MOST_NAMED else ""
    return ", ".join(map(shown, names[:MOST_NAMED])) + more


def _count(things: Sequence[str], noun: str) -> str:
    return f"{len(things):,} {noun}{'' if len(things) == 1 else 's'}"
