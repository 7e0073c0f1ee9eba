"""What the generators share."""

from pathlib import Path


def write_if_changed(path: Path, text: str) -> None:
    """Keeps the time stamp of a file whose content is the same, so that nothing is rebuilt."""
    if path.exists() and path.read_text() == text:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
