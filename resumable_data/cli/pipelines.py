"""Pipelines that a command line names: ``module:name`` or ``file.py:name``, with arguments."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from operator import attrgetter
from pathlib import Path
from typing import Any, TypeVar, cast

import click

from resumable_data.dataset import BatchDataset, Dataset
from resumable_data.digest import file_module
from resumable_data.errors import PipelineError
from resumable_data.opaque import Document, Element, JsonDict, JsonObject

FunctionT = TypeVar("FunctionT", bound=Callable[..., object])


def settings_option(
    name: str = "--set", argument: str = "settings", of: str = ""
) -> Callable[[FunctionT], FunctionT]:
    """Makes the option that gives arguments to the function of a pipeline."""
    text = f"An argument for the function{of}; can be repeated."
    return click.option(name, argument, multiple=True, metavar="NAME=VALUE", help=text)


def load_object(name: str) -> Any:
    """Imports the object that ``module:name`` or ``file.py:name`` names. A file gets the module name of its script.

    Raises:
        PipelineError: There is no such module or name, or importing it fails.
    """
    place, colon, attribute = name.rpartition(":")
    if not colon or not attribute:
        advice = f"give {name}:name" if name.endswith(".py") else "give module:name or file.py:name"
        if not name.endswith(".py") and Path(name).exists():
            advice += ", and a checkpoint after it or with --state"
        raise PipelineError(f"{name!r} is not the name of a pipeline: {advice}")
    try:
        return attrgetter(attribute)(_import(place))
    except AttributeError as error:
        raise PipelineError(f"{name}: {error}") from error


def load_pipeline(name: str, settings: Sequence[str] = ()) -> Dataset[Document]:
    """Loads the dataset that a name means.

    Args:
        name: ``module:name`` or ``file.py:name`` of a dataset, or of a function that returns one.
        settings: Arguments of the function, each ``"name=value"``.

    Raises:
        PipelineError: There is no such dataset, or the function fails.
    """
    found, arguments = load_object(name), parse_settings(settings)
    if isinstance(found, Dataset):
        if arguments:
            raise PipelineError(f"{name} is a dataset and takes no arguments: give a function that returns a dataset")
        return cast(Dataset[Document], found)
    if not callable(found):
        raise PipelineError(f"{name} is {type(found).__name__}; give a dataset or a function that returns one")
    try:
        made: object = found(**arguments)
    except Exception as error:
        given = ", ".join(f"{key}={value!r}" for key, value in arguments.items())
        raise PipelineError(f"{name}({given}) fails: {type(error).__name__}: {error}") from error
    if not isinstance(made, Dataset):
        raise PipelineError(f"{name} returns {type(made).__name__}, not a dataset of resumable_data")
    return cast(Dataset[Document], made)


def load_batches(command: str, name: str, settings: Sequence[str] = ()) -> BatchDataset[Element]:
    """Loads the dataset of batches that a name means; see ``load_pipeline``.

    Raises:
        PipelineError: There is no such dataset, or it is not of batches. The message names the command.
    """
    found = load_pipeline(name, settings)
    if not isinstance(found, BatchDataset):
        raise PipelineError(f"{command} works on batches and comes after batch, not after {found.node.name}")
    return found


def parse_settings(settings: Sequence[str]) -> JsonObject:
    r"""Parses arguments by name. A value is JSON, or a text if it is not JSON.

    Raises:
        PipelineError: An argument has no ``=``.

    >>> dict(parse_settings(["batch=64", "name=web", 'weights={"web": 1}']))
    {'batch': 64, 'name': 'web', 'weights': {'web': 1}}
    """
    found: JsonDict = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals or not name.isidentifier():
            raise PipelineError(f"--set {setting}: give name=value, as --set batch=64")
        try:
            found[name] = json.loads(text)
        except ValueError:
            found[name] = text
    return found


def is_pipeline(name: str) -> bool:
    """Says whether a name means a pipeline, and not the path of a checkpoint.

    >>> is_pipeline("train.py:make_data"), is_pipeline("jobs.train:data"), is_pipeline("gs://runs/7")
    (True, True, False)
    """
    place, colon, attribute = name.rpartition(":")
    return bool(colon and place) and all(part.isidentifier() for part in attribute.split("."))


def _import(place: str) -> Any:
    """Imports a module by its name or its file.

    Raises:
        PipelineError: There is no such module, or importing it fails.
    """
    module, folder = place, Path.cwd()
    if place.endswith(".py"):
        file = Path(place).resolve()
        if not file.is_file():
            raise PipelineError(f"{place} does not exist")
        module, folder = file_module(file)
    # An installed command does not look for modules in the working folder, as ``python`` does.
    sys.path.insert(0, str(folder))
    try:
        return import_module(module)
    except Exception as error:
        raise PipelineError(f"{place} cannot be imported: {type(error).__name__}: {error}") from error
