"""What a room keeps to as a whole: its README tells of every file, and a test is named after what
it tests."""

import re
from pathlib import Path

from source import Source

SUFFIX = re.compile(r"_(test|fuzz|benchmark)$")
ROOM = re.compile(r"^\s*room\((?P<name>[\w/]+)(?P<rest>[^)]*)\)", re.MULTILINE)


def rooms(sources: dict[Path, Source]) -> dict[Path, list[Path]]:
    """Each room's folder, and the folders below it that belong to it."""
    found = {}
    for path, source in sources.items():
        if path.name != "CMakeLists.txt":
            continue
        for room in ROOM.finditer(re.sub(r"#.*", "", source.text)):
            words = room["rest"].split()
            root = Path(words[words.index("ROOT") + 1] if "ROOT" in words else "src")
            inner = []
            if "FOLDERS" in words:
                for word in words[words.index("FOLDERS") + 1:]:
                    if word.isupper():
                        break
                    inner.append(root / room["name"] / word)
            found[root / room["name"]] = inner
    return found


def table_names(text: str) -> list[tuple[int, str]]:
    """(line, name) of each file that the first column of a README's tables names."""
    names = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.startswith("|") or re.match(r"\|[\s|:-]*$|\| *(file|generated)", line):
            continue
        cell = line.split("|")[1]
        names += [(number, word) for word in re.split(r"[\s,`]+", cell) if word]
    return names


def exists(name: str, folder: Path, sources: dict[Path, Source]) -> bool:
    """Whether a name is a file, a folder, or a file's name without what follows the dot."""
    wanted = (folder / name.rstrip("/")).as_posix()
    if name.endswith("*"):
        return any(path.as_posix().startswith(wanted[:-1]) for path in sources)
    return any(
        path.as_posix() == wanted or path.as_posix().startswith(wanted + "/")
        or path.with_suffix("").as_posix() == wanted for path in sources)


def readmes(sources: dict[Path, Source]):
    """(path, line, sentence) for what a room's README misses, or names in vain."""
    for room, inner in rooms(sources).items():
        files = [path for path in sources if path.parent in (room, *inner) and path.suffix in
                 (".cc", ".h")]
        if not files:
            continue
        readme = sources.get(room / "README.md")
        if readme is None:
            yield room / "README.md", 1, "the room has no README with a paragraph and a file table"
            continue
        for line, name in table_names(readme.text):
            if not exists(name, room, sources):
                yield readme.path, line, f"{name} is not there"
        told = set(re.findall(r"[\w.]+", readme.text))
        missing = sorted({path.name for path in files if not is_told(path, room, told)})
        if missing:
            yield readme.path, 1, f"the file table misses {' '.join(missing)}"


def is_told(path: Path, room: Path, told: set[str]) -> bool:
    if path.parent != room and path.parent.name in told:
        return True  # one line tells of the folder
    stem = SUFFIX.sub("", path.stem)
    return bool({stem, path.name, stem + ".h", stem + ".cc"} & told)


def tests_named_after_sources(sources: dict[Path, Source]):
    """(path, line, sentence) for each test of nothing that is there."""
    for room, inner in rooms(sources).items():
        readme = sources.get(room / "README.md")
        told = set(re.findall(r"[\w.]+", readme.text)) if readme else set()
        for path in sources:
            if path.suffix != ".cc" or path.parent not in (room, *inner):
                continue
            if not SUFFIX.search(path.stem):
                continue
            stem = SUFFIX.sub("", path.stem)
            tested = {path.with_name(stem + ".cc"), path.with_name(stem + ".h")} & sources.keys()
            whole_room = {room.name, "_".join(room.parts[1:])}
            if not tested and stem not in whole_room | told and path.name not in told:
                yield path, 1, f"no {stem}.h is here, and the README does not say what it tests"


RULES = {"readmes": readmes, "tests-named-after-sources": tests_named_after_sources}
