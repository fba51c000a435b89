"""HTML pages that need no other file and no network."""

from __future__ import annotations

import base64
import hashlib
import html
import os
from importlib.resources import files
from pathlib import Path

from resumable_data.arguments import as_path
from resumable_data.errors import PipelineError
from resumable_data.system_errors import explain


def page(title: str, body: str, *, styles: tuple[str, ...] = (), script: str | None = None) -> str:
    """Makes a page of HTML that runs only the given script.

    Args:
        title: What the page is about, as text.
        body: Its content, as HTML.
        styles: Names of further style files in this folder.
        script: The name of its script file in this folder.
    """
    style = "\n".join(_content(name) for name in ("page.css", *styles))
    code = "" if script is None else _content(script)
    digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
    policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    policy += f"; script-src 'sha256-{digest}'" if code else ""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(title)}</title>\n<style>{style}</style>\n</head>\n<body>\n{body}\n"
        + (f"<script>{code}</script>\n" if code else "")
        + "</body>\n</html>\n"
    )


def save_page(path: str | os.PathLike[str], content: str) -> None:
    """Writes a page.

    Raises:
        PipelineError: The file cannot be written.
    """
    try:
        Path(as_path("path", path)).write_text(content, encoding="utf-8")
    except (OSError, ValueError) as error:
        reason = explain(error) if isinstance(error, OSError) else str(error)
        raise PipelineError(f"{path} cannot be written: {reason}") from error


def _content(name: str) -> str:
    return files("resumable_data.answers").joinpath(name).read_text(encoding="utf-8")
