"""Four kinds of documents of Python's standard library, tokenized by one tokenizer into a shard each."""

from __future__ import annotations

import ast
import itertools
from pathlib import Path
from pydoc_data.topics import topics

import numpy as np
from corpus import split_at_definitions, stdlib_files, train_tokenizer, write_shard

CODE, COMMENTS, DOCSTRINGS, MANUAL = "code", "comments", "docstrings", "manual"
KINDS = (CODE, COMMENTS, DOCSTRINGS, MANUAL)

Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def documents_of_module(source: str) -> dict[str, list[str]]:
    r"""Splits a module into documents: code, comments and docstrings. None is part of another.

    Args:
        source: Text of a Python module.

    Returns:
        By kind: the module's definitions without comments and docstrings, every block of comment lines, and every
        docstring.

    Raises:
        SyntaxError: The text is not Python.

    >>> documents_of_module('# One.\n# Two.\ndef f():\n    "Three."\n    return 4  # four\n')
    {'code': ['def f():\n    return 4'], 'comments': ['# One.\n# Two.'], 'docstrings': ['Three.']}
    """
    tree = ast.parse(source)
    documented = [node for node in ast.walk(tree) if isinstance(node, Documented) and ast.get_docstring(node)]
    docstrings = [ast.get_docstring(node) or "" for node in documented]
    for node in documented:
        node.body = node.body[1:] or [ast.Pass()]
    lines = map(str.strip, source.splitlines())
    runs = itertools.groupby(lines, key=lambda line: line.startswith("#"))
    comments = ["\n".join(run) for are_comments, run in runs if are_comments]
    return {CODE: split_at_definitions(ast.unparse(tree)), COMMENTS: comments, DOCSTRINGS: docstrings}


def read_documents(max_bytes: int) -> dict[str, list[str]]:
    """Returns documents of the standard library by kind, and the topics of Python's manual.

    Args:
        max_bytes: The first module that would exceed this many bytes of UTF-8 text ends the reading.
    """
    documents: dict[str, list[str]] = {kind: [] for kind in KINDS}
    documents[MANUAL] += (topics[name] for name in sorted(topics))
    size = 0
    for path in stdlib_files():
        try:
            source = path.read_text(encoding="utf-8")
            of_module = documents_of_module(source)
        except (SyntaxError, UnicodeDecodeError):
            continue  # a template, or a module in an older encoding
        size += len(source.encode())
        if size > max_bytes:
            break
        for kind, found in of_module.items():
            documents[kind] += found
    return documents


def write_mixed_corpus(folder: Path, *, max_bytes: int) -> dict[str, tuple[int, int]]:
    """Writes a shard for each kind, `code.arecord` and so on, and `tokenizer.json` into a folder.

    Args:
        folder: The folder to write; created if it does not exist.
        max_bytes: The most bytes of the modules' text to use.

    Returns:
        The number of documents, and of tokens, by kind.
    """
    folder.mkdir(parents=True, exist_ok=True)
    documents = read_documents(max_bytes)
    tokenizer = train_tokenizer(itertools.chain.from_iterable(documents.values()))
    tokenizer.save(str(folder / "tokenizer.json"))
    written = {}
    for kind, texts in documents.items():
        records = [np.array(encoding.ids, np.int32) for encoding in tokenizer.encode_batch(texts)]
        write_shard(folder / f"{kind}.arecord", records)
        written[kind] = len(records), sum(map(len, records))
    return written
