"""Explains errors of the operating system: their name, and whether another attempt can help."""

from __future__ import annotations

import errno
import os
from typing import TypeGuard

_ADVICE = {
    errno.ENOENT: "write or copy it again, or correct its path",
    errno.ENOTDIR: "a part of its path is a file where a folder is needed: correct the path",
    errno.EISDIR: "it is a folder where a file is needed: correct the path",
    errno.EEXIST: "move away what stands there, or choose another path",
    errno.ENOTEMPTY: "move away what stands there, or choose another path",
    errno.ENAMETOOLONG: "choose a shorter path",
    errno.ELOOP: "correct the symbolic links of its path",
    errno.EACCES: "give this process the permission",
    errno.EPERM: "give this process the permission",
    errno.EROFS: "choose a folder that can be written",
    errno.ENOSPC: "make room on the disk, or choose another folder",
    errno.EDQUOT: "make room in the quota, or choose another folder",
    errno.EFBIG: "raise the limit of the size of a file, or choose another disk",
    errno.EINVAL: "the file system does not support this: choose another one",
}
_ADVICE_WHERE_IT_MAY_PASS = {
    errno.EMFILE: "this process has too many files open: raise the limit, as ulimit -n does",
    errno.ENFILE: "this machine has too many files open",
    errno.ENOMEM: "this machine has too little free memory",
    errno.EIO: "if it stays, the disk or the network storage is broken",
}
_NAMED_IN_TEXTS = {os.strerror(code): code for code in sorted({*_ADVICE, *_ADVICE_WHERE_IT_MAY_PASS})}


def explain(error: OSError) -> str:
    """Names the error, and says what to do about it.

    >>> explain(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    'No space left on device (ENOSPC). Trying again does not help: make room on the disk, or choose another folder'
    >>> explain(ConnectionResetError("connection reset"))
    'connection reset'
    """
    code = error.errno
    if code is None:
        return str(error)
    name = f"{os.strerror(code)} ({errno.errorcode.get(code, code)})"
    if not can_pass(error):
        return f"{name}. Trying again does not help: {_ADVICE[code]}"
    advice = _ADVICE_WHERE_IT_MAY_PASS.get(code)
    return f"{name}. Trying again can help" + (f"; {advice}" if advice else "")


def can_pass(error: BaseException | None) -> bool:
    """Tells whether another attempt may succeed if nothing else changes.

    >>> can_pass(OSError(errno.EIO, "")), can_pass(FileNotFoundError(errno.ENOENT, "")), can_pass(ValueError())
    (True, False, False)
    """
    return isinstance(error, OSError) and error.errno not in _ADVICE


def is_of_system(error: BaseException) -> TypeGuard[OSError]:
    """Tells whether the system failed, so that the data may be sound.

    >>> is_of_system(OSError(errno.EMFILE, "")), is_of_system(OSError("not an image"))
    (True, False)
    """
    return isinstance(error, OSError) and error.errno is not None and can_pass(error)


def system_error_in(text: str) -> OSError | None:
    """Returns the error of the system that another library's text names, if there is one.

    >>> system_error_in("open() failed: Too many open files; opening a.arecord").errno == errno.EMFILE
    True
    >>> system_error_in("Hash mismatch") is None
    True
    """
    named = next((name for name in _NAMED_IN_TEXTS if name in text), None)
    return None if named is None else OSError(_NAMED_IN_TEXTS[named], named)
