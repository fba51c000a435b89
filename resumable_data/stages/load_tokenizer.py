"""Loading tokenizers by a path, or by their name on the Hugging Face Hub, without waiting for a network in vain."""

from __future__ import annotations

from importlib import import_module

from etils import epath

from resumable_data.errors import PipelineError
from resumable_data.opaque import JsonDict, Module, Tokenizer

_SECONDS_FOR_THE_HUB = 3.0


def load_tokenizer(name: str, **more: object) -> Tokenizer:
    """The tokenizer at a path, or of a name.

    Args:
        name: The path of a ``tokenizer.json``, or a folder or a name for ``AutoTokenizer.from_pretrained``.
        **more: What else ``from_pretrained`` is told, such as ``token=``, the access token for the Hub.

    Raises:
        PipelineError: There is no such file or folder, nor such a name on the Hub, the Hub cannot be reached and the
            cache does not have it, or what is there cannot be loaded.
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
    """A package that works on text.

    Raises:
        PipelineError: It is not installed, and the error says how to install it; or it is broken.
    """
    try:
        return import_module(package)
    except ModuleNotFoundError as error:
        raise PipelineError(f"text needs the package {package}: pip install 'resumable_data[text]'") from error
    except ImportError as error:
        raise PipelineError(f"the package {package}, which text needs, cannot be imported: {error}") from error


def _is_path(name: str) -> bool:
    """Whether nothing on the Hub can have this name: those are ``name`` or ``owner/name``."""
    return name[0] in "./~\\" or "://" in name or name.count("/") > 1 or name.endswith((".json", "/"))


def _from_path(name: str, more: JsonDict) -> Tokenizer:
    """The tokenizer of a file or a folder; None where there is neither."""
    path = epath.Path(name)
    if path.is_file():
        return text_package("tokenizers").Tokenizer.from_str(path.read_text())
    return _from_pretrained(name, **more) if path.is_dir() else None


def _from_pretrained(name: str, **more: object) -> Tokenizer:
    return text_package("transformers").AutoTokenizer.from_pretrained(name, **more)


def _from_hub(name: str, more: JsonDict) -> Tokenizer:
    """The tokenizer of a name, from the Hub or from its cache.

    ``from_pretrained`` alone asks a Hub that cannot be reached again and again for most of a minute.
    """
    hub = text_package("huggingface_hub")
    nowhere = f"tokenize: there is no such file or folder: {name!r}"
    try:
        hub.HfApi(token=more.get("token")).model_info(name, timeout=_SECONDS_FOR_THE_HUB)
    except (hub.errors.RepositoryNotFoundError, hub.errors.HFValidationError) as error:
        raise PipelineError(f"{nowhere}; and no such name on the Hugging Face Hub: {error}") from error
    except hub.errors.HfHubHTTPError:
        pass  # A mirror need not know more than files.
    except Exception as error:
        try:
            return _from_pretrained(name, **more, local_files_only=True)
        except Exception:
            raise PipelineError(
                f"{nowhere}; and the Hugging Face Hub, on which it could be a name, cannot be reached ({error}), nor "
                "has its cache the whole tokenizer"
            ) from error
    return _from_pretrained(name, **more)
