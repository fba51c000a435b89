"""Loads tokenizers by path, or by name from the Hugging Face Hub. Does not wait long for a missing network."""

from __future__ import annotations

from importlib import import_module

from etils import epath

from resumable_data.errors import PipelineError
from resumable_data.opaque import JsonDict, Module, Tokenizer

_SECONDS_FOR_THE_HUB = 3.0


def load_tokenizer(name: str, **more: object) -> Tokenizer:
    """Loads the tokenizer of a path or a name.

    Args:
        name: The path of a ``tokenizer.json``, or a folder or a name for ``AutoTokenizer.from_pretrained``.
        **more: More arguments of ``from_pretrained``, such as ``token=``, the access token for the Hub.

    Raises:
        PipelineError: There is no such file, folder or name on the Hub; or the Hub cannot be reached and the cache
            does not have it; or it cannot be loaded.
    """
    try:
        found = _from_path(name, more) if name else None
        if found is not None:
            return found
        if name and not _is_path(name):
            return _from_hub(name, more)
    except PipelineError:
        raise
    except Exception as error:
        raise PipelineError(f"tokenize: the tokenizer {name} cannot be loaded: {error}") from error
    raise PipelineError(f"tokenize: there is no such file or folder: {name!r}")


def text_package(package: str) -> Module:
    """Imports a package that works on text.

    Raises:
        PipelineError: It is not installed (the error says how to install it), or it is broken.
    """
    try:
        return import_module(package)
    except ModuleNotFoundError as error:
        raise PipelineError(f"text needs the package {package}: pip install 'resumable_data[text]'") from error
    except ImportError as error:
        raise PipelineError(f"the package {package}, which text needs, cannot be imported: {error}") from error


def _is_path(name: str) -> bool:
    """Returns whether it cannot be a name on the Hub, which is ``name`` or ``owner/name``."""
    return name[0] in "./~\\" or "://" in name or name.count("/") > 1 or name.endswith((".json", "/"))


def _from_path(name: str, more: JsonDict) -> Tokenizer:
    """Loads the tokenizer of a file or a folder; None if neither exists."""
    path = epath.Path(name)
    if path.is_file():
        return text_package("tokenizers").Tokenizer.from_str(path.read_text())
    return _from_pretrained(name, **more) if path.is_dir() else None


def _from_pretrained(name: str, **more: object) -> Tokenizer:
    return text_package("transformers").AutoTokenizer.from_pretrained(name, **more)


def _from_hub(name: str, more: JsonDict) -> Tokenizer:
    """Loads the tokenizer of a name, from the Hub or from its cache.

    If the Hub cannot be reached, ``from_pretrained`` alone retries for most of a minute.
    """
    hub = text_package("huggingface_hub")
    nowhere = f"tokenize: there is no such file or folder: {name!r}"
    try:
        hub.HfApi(token=more.get("token")).model_info(name, timeout=_SECONDS_FOR_THE_HUB)
    except (hub.errors.RepositoryNotFoundError, hub.errors.HFValidationError) as error:
        raise PipelineError(f"{nowhere}; and no such name on the Hugging Face Hub: {error}") from error
    except hub.errors.HfHubHTTPError:
        pass  # A mirror may serve files only.
    except Exception as error:
        try:
            return _from_pretrained(name, **more, local_files_only=True)
        except Exception:
            raise PipelineError(
                f"{nowhere}; and the Hugging Face Hub, where it could be a name, cannot be reached ({error}), and "
                "its cache does not have the whole tokenizer"
            ) from error
    return _from_pretrained(name, **more)
