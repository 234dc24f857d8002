"""Files: written whole or not at all, and named in lists only where they may be."""

import hashlib
import os
import re
import secrets
import shlex
import stat
import sys
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

if TYPE_CHECKING:
    import pandas as pd  # importing it takes half a second, which the command saves

# Kinds of files that `replace_ours` writes.
PAIRS, TABLE, FIGURE, VIDEO = "list of pairs", "table", "figure", "video"
NETWORK, RIG, BOARD = "network", "rig", "calibration board"
LOCK = ".depthlib.lock"  # in a folder that a command writes to
# What `replace_file` puts before the suffix: nobody else's hidden files are called so.
_MARK = "-depthlib-"
_MARKED = re.compile(rf"\.(.*){re.escape(_MARK)}[0-9a-f]{{8}}(\.[^.]*)?", re.S)
_LONGEST = 255 - len(".-depthlib-01234567")  # bytes, of a name that a mark is added to
_NOTE = re.compile(r"\.(.+)\.sha256", re.S)  # of `write_ours`


@contextmanager
def replace_file(path: Path | str) -> Iterator[Path]:
    """Gives a temporary path, which takes the place of `path` once the block ends without error.

    The temporary file keeps the suffix, because writers choose the format by it. When the block
    fails (a full disk, an interrupt) the temporary file is removed and `path` stays as it was.
    What a process leaves that is killed meanwhile, `remove_temporaries` removes. File and name are
    on the disk when it returns, so that a power failure leaves the old file or the new one; that
    took 10 ms a file on the ext4 disk where it was measured.
    Errors: OSError that names `path`.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    stem, suffix = _shorten(path.name)
    temporary = path.with_name(f".{stem}{_MARK}{secrets.token_hex(4)}{suffix}")
    try:
        temporary.touch(exist_ok=False)
        yield temporary
        _sync(temporary)
        temporary.replace(path)
        if os.name == "posix":  # elsewhere a folder cannot be opened
            _sync(path.parent)
    except OSError as error:
        # With a file's name, Python shows errno and that name, and no message of another form.
        if error.errno is not None and str(error.filename) in ("None", str(temporary)):
            error.filename = str(path)
        raise
    finally:
        temporary.unlink(missing_ok=True)


def _shorten(name: str) -> tuple[str, str]:
    """The stem and the suffix of a file's name, so short that a disk takes them with a mark."""
    path = Path(name)
    stem, suffix = path.stem, path.suffix
    while stem and len(os.fsencode(stem + suffix)) > _LONGEST:
        stem = stem[:-1]
    return stem, suffix


def _sync(path: Path) -> None:
    """Waits until a file's bytes, or a folder's names, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_temporaries(folder: Path, names: Iterable[str]) -> None:
    """Removes what a killed process left of `replace_file` for files of `names` in `folder`.

    `names` may be patterns ("*.keras"). Call it where no other process writes them.
    """
    for name in map(Path, names):
        for temporary in folder.glob(f".{name.stem}{_MARK}????????{name.suffix}"):
            temporary.unlink(missing_ok=True)


def remove_left(folder: Path) -> None:
    """Removes what killed processes left of `replace_file` in a folder and in those below it.

    Of files that have been written since. Call it where no other process writes there.
    """
    for place, _, names in os.walk(folder):
        _remove_left_of(place, names, lambda name: True)


def remove_left_of(folder: Path, is_ours: Callable[[str], bool]) -> None:
    """The same in a folder alone, of files whose names are ours, and of what notes them."""
    if folder.is_dir():
        _remove_left_of(folder, os.listdir(folder), is_ours)  # noqa: PTH208  # names alone


def _remove_left_of(
    folder: Path | str, names: Sequence[str], is_ours: Callable[[str], bool]
) -> None:
    marked = {name: found for name in names if (found := _MARKED.fullmatch(name))}
    written = {_shorten(name): name for name in names} if marked else {}
    for name, found in marked.items():
        file = written.get((found[1], found[2] or ""))
        if file and is_ours(_NOTE.sub(r"\1", file)):
            Path(folder, name).unlink(missing_ok=True)


def write_bytes(path: Path | str, data: bytes | memoryview) -> None:
    """Writes `data` to `path` atomically."""
    with replace_file(path) as temporary:
        temporary.write_bytes(data)


def write_table(path: Path | str, table: "pd.DataFrame", digits: int | None = 6) -> None:
    """Writes a table as CSV by `write_ours`, without its index; `digits` None: all of them."""
    write_ours(path, format_table(table, digits), TABLE)


def format_table(table: "pd.DataFrame", digits: int | None = 6) -> bytes:
    """What `write_table` writes."""
    form = f"%.{digits}g" if digits else None
    return table.to_csv(index=False, float_format=form, lineterminator="\n").encode()  # everywhere


def write_ours(path: Path | str, data: bytes, kind: str = PAIRS) -> None:
    """Writes `data` to `path` as `replace_ours` does, whose errors these are."""
    with replace_ours(path, kind, data) as temporary:
        temporary.write_bytes(data)


@contextmanager
def replace_ours(path: Path | str, kind: str, data: bytes | None = None) -> Iterator[Path]:
    """`replace_file`, unless somebody has made or changed what is at `path`.

    Beside it a hidden file, .NAME.sha256, notes what was written, and of what `kind` it is: a
    figure takes the place of a figure, never of a list of pairs. data: what will be written, if it
    is known. Errors: those of `check_ours`, before the block and after it; of `replace_file`.
    """
    path = Path(path)
    check_ours(path, data, kind)
    with replace_file(path) as temporary:
        yield temporary
        check_ours(path, data, kind)  # the block may have taken long
        new = f"{describe_state(temporary, by_content=True)} {kind}\n"
        old = f"{describe_state(path, by_content=True)} {kind}\n" if path.exists() else ""
        write_bytes(_name_note(path), _encode(old + new))  # who is killed here leaves either
    write_bytes(_name_note(path), _encode(new))


def check_ours(path: Path | str, data: bytes | None = None, kind: str = PAIRS) -> None:
    """Accepts a path at which nothing is, or what was last written there by `replace_ours`.

    That is of the same `kind` (earlier versions noted none), or it is `data`, byte by byte.
    Errors: FileExistsError for what somebody has made or changed.
    """
    path = Path(path)
    if not path.exists():
        return
    check_regular(path)
    noted = find_kind(path)
    if noted is not None and is_kind(noted, kind):
        return
    if data is not None and path.read_bytes() == data:
        return
    reason = f"a {noted}, no {kind}" if noted else "not as depthlib last wrote it"
    raise FileExistsError(
        f"A file of one's own must not be written over. Received: {path}, which is {reason}. "
        "Rename or move it, or choose another folder."
    )


def is_kind(noted: str, kind: str) -> bool:
    """Whether what was noted is of a kind, or may be: earlier versions noted less."""
    return noted in ("", kind) or kind.startswith(f"{noted} of ")


def find_kind(path: Path) -> str | None:
    """As what `replace_ours` noted the file at `path`; None where that is not as it wrote it."""
    note = _name_note(path)
    lines = _decode(note.read_bytes()).split("\n") if note.is_file() else []
    noted = {digest: of for digest, _, of in (line.partition(" ") for line in lines if line)}
    return noted.get(describe_state(path, by_content=True))


def list_noted(folder: Path | str) -> set[str]:
    """The names of what `replace_ours` has written into a folder, changed since or not."""
    with suppress(OSError):  # it may be gone
        found = map(_NOTE.fullmatch, os.listdir(folder or "."))  # noqa: PTH208  # of millions
        return {note[1] for note in found if note}
    return set()


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")  # a kind may name a folder of any bytes


def _decode(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _name_note(path: Path) -> Path:
    return path.with_name(f".{path.name}.sha256")


def check_zip(path: Path | str) -> None:
    """Reads a zip file, as a .keras file is one, to its end and compares each part's checksum.

    Keras reads weights whose checksum is wrong without a word. Errors: ValueError that names the
    file where it is damaged or no zip file; OSError where it cannot be read.
    """
    with Path(path).open("rb") as file:
        try:
            with zipfile.ZipFile(file) as archive:
                damaged = archive.testzip()
        except Exception as error:  # whatever zipfile and zlib make of damaged bytes
            raise ValueError(f"A zip file must be whole. Received: {path}: {error}.") from error
    if damaged:
        raise ValueError(f"A zip file must be whole. Received: {path}, whose {damaged} is damaged.")


@contextmanager
def name_errors(path: Path | str, rule: str, remedy: str = "Copy it again.") -> Iterator[None]:
    """Makes a ValueError of whatever a library raises in the block: "RULE Received: PATH: ...".

    Libraries raise dozens of kinds for damaged bytes, and seldom say of which file. What names the
    file passes: errors of ours, and those of the system.
    """
    try:
        yield
    except Exception as error:
        said = f"{error} {getattr(error, 'filename', '')}"
        if type(error).__module__ == "builtins" and str(path) in said:
            raise
        if isinstance(error, ModuleNotFoundError):
            raise
        reason = str(error).strip().partition("\n")[0].removesuffix(".") or type(error).__name__
        raise ValueError(f"{rule} Received: {path}: {reason}. {remedy}") from error


def check_regular(path: Path | str) -> None:
    """Accepts a file on a disk: a pipe may never answer, and a device never end.

    Errors: FileNotFoundError, IsADirectoryError, or an OSError that names it.
    """
    path = Path(path)
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(f"There must be a file. Received: {path}, a folder.")
    if not stat.S_ISREG(mode):
        raise OSError(f"A file must be a regular one. Received: {path}, a pipe or a device.")


def check_hdf5(opened: Any, most_bytes: int | None = None) -> None:
    """Looks through an open h5py.File before any of its arrays is read.

    Errors: ValueError for a link or an array that lies in another file, or may, which could be any
    file of the user's, and for arrays that claim more than `most_bytes` together.
    """
    import h5py  # an extra, of those who have such files

    seen, claimed, groups = set(), 0, [opened]
    while groups:
        group = groups.pop()
        for name in group:
            link = group.get(name, getlink=True)
            leads_to_cells = isinstance(link, h5py.SoftLink) and "#" in link.path
            if isinstance(link, h5py.ExternalLink) or leads_to_cells:
                raise ValueError(f"`{name}` lies in another file, or may. Copy it into this one.")
            # Where a link leads is looked at by itself; MATLAB's cells, #refs#, are thousands.
            if isinstance(link, h5py.SoftLink) or name.startswith("#"):
                continue
            item = group[name]
            check_hdf5_array(name, item)
            place = h5py.h5o.get_info(item.id).addr
            if place not in seen and isinstance(item, h5py.Group):
                groups.append(item)
            elif place not in seen and isinstance(item, h5py.Dataset):
                claimed += item.nbytes
            seen.add(place)
    if most_bytes is not None and claimed > most_bytes:
        raise ValueError(f"Its arrays claim {claimed:,} bytes, of at most {most_bytes:,}.")


def check_hdf5_array(name: str, item: Any) -> None:
    """Errors: ValueError for an array of HDF5's whose values are, or may be, in another file."""
    if hasattr(item, "is_virtual") and (item.is_virtual or item.external):
        raise ValueError(f"`{name}` lies in another file, or may. Copy it into this one.")


@contextmanager
def hold_lock(path: Path | str, waiting: str | None = None, stays: bool = True) -> Iterator[None]:
    """Lets one process into the block; the system takes the lock from a process that dies.

    `path` is the lock's own file, which `stays` or goes after the block. `waiting` is said where
    another process is inside, and this one waits; "" waits without a word. Errors: BlockingIOError
    instead of waiting where `waiting` is None; FileExistsError for a file that holds anything: a
    lock is empty, and taking a file of one's own for one would empty it.
    """
    with suppress(FileNotFoundError):  # also of one that another process removes now
        if Path(path).stat().st_size:
            raise FileExistsError(
                f"A file of one's own must not be taken for a lock. Received: {path}, which is not "
                "empty. Rename or move it, or choose another folder."
            )
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        if waiting is None:
            raise BlockingIOError(
                f"Another process holds {path}. Wait until it has ended, or choose another folder."
            ) from error
        if waiting:
            print(waiting, flush=True)
        lock.acquire()
    try:
        yield
    finally:
        if not stays:
            with suppress(OSError):  # Windows removes it once it is not held
                Path(path).unlink()
        lock.release()


@contextmanager
def hold_folder(folder: Path | str, lock: str = LOCK, part: str | None = None) -> Iterator[None]:
    """Makes a folder, and keeps it to one process by the file `lock` in it, which is gone after.

    part: of what is done there, what this process does. Other processes may do other parts at the
    same time, but none all of it. Folders that it makes are removed again where nothing is in them
    by the end.
    Errors: BlockingIOError where another process holds the folder, or this part or any part of it;
    NotADirectoryError for a file; PermissionError.
    """
    folder = Path(folder)
    made = [place for place in (folder, *folder.parents) if not place.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise NotADirectoryError(
            f"There must be a folder. Received: {folder}, which is or lies in a file. Use another "
            "name."
        ) from error
    try:
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(
                f"There must be a folder that you may write to. Received: {folder}. Use another "
                "one."
            )
        with _hold_part(folder / lock, part):
            yield
    finally:
        with suppress(OSError):
            for place in made:
                place.rmdir()  # which keeps one that holds something


@contextmanager
def _hold_part(lock: Path, part: str | None) -> Iterator[None]:
    """Holds a part, None: the whole, where nobody holds what leaves no room for it."""
    own = lock if part is None else lock.with_name(f"{lock.name}-{part}")
    with ExitStack() as stack:
        # Which is held for a moment alone: so that none begins between the look and the lock.
        with hold_lock(lock.with_suffix(".gate"), waiting="", stays=False):
            for other in lock.parent.glob(f"{lock.name}-*") if part is None else [lock]:
                with hold_lock(other, stays=False):
                    pass
            stack.enter_context(hold_lock(own, stays=False))
        yield


def check_suffix(path: Path | str, *suffixes: str) -> None:
    """Errors: ValueError where `path` does not end in one of `suffixes`, in either case."""
    if Path(path).suffix.lower() not in suffixes:
        raise ValueError(
            f"A file of this format must end in {' or '.join(suffixes)}. Received: {path}. "
            "Use such a name, or another format."
        )


def refuse_source(target: Path | str, *sources: Path | str) -> None:
    """Errors: ValueError where `target` is one of the files that it is to be made of."""
    target = Path(target)
    for source in map(Path, sources):
        if target.exists() and source.exists() and target.samefile(source):
            raise ValueError(
                f"A file must not be written over its source. Received: {target}, which is {source}"
                ". Use another name."
            )


def note_files(*paths: Path | str) -> str:
    """What tells whether files are still the same, in 25 letters, to be kept: see `are_noted`.

    A digest of their sizes and times, and one of their contents. What is no file counts too.
    """
    with ThreadPoolExecutor() as pool:
        contents = pool.map(lambda path: describe_state(path, by_content=True), paths)
        return f"{_digest(map(_describe_times, paths))}-{_digest(contents)}"


def name_in_note(word: str) -> str:
    """How a note calls a network or a camera: by its file's name, wherever that lies.

    word: a path, with settings of it after a comma or none; another word stays as it is.
    """
    path, comma, settings = word.partition(",")
    return f"{Path(path).name}{comma}{settings}" if Path(path).is_file() else word


def content_of(note: str) -> str:
    """What `note_files` says of contents alone: the same for copies; "" for a note of none."""
    return note.partition("-")[2]


def are_noted(note: str, *paths: Path | str) -> bool:
    """Whether files are as `note_files` noted them.

    Their contents are read only where sizes or times differ, as the times of copies do.
    """
    state, _, _ = note.partition("-")
    return state == _digest(map(_describe_times, paths)) or are_alike(note, note_files(*paths))


def are_alike(note: str, other: str) -> bool:
    """Whether two of `note_files` are of files with the same sizes and times, or contents."""
    return any(one == two for one, two in zip(note.split("-"), other.split("-"), strict=False))


def describe_state(path: Path | str, by_content: bool = False) -> str:
    """What changes with a file: its size and time, or its content's SHA-256; "" without one."""
    path = Path(path)
    if not path.is_file():  # a pipe would never answer
        return ""
    if not by_content:
        state = path.stat()
        return f"{state.st_size}\0{state.st_mtime_ns}"
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _describe_times(path: Path | str) -> str:
    """`describe_state`, and the system's own time, which nobody sets.

    It changes with each write and each renaming: a frame that took another's name, and a photo
    whose EXIF was corrected, may have the same size and time of writing. On Windows it is when the
    file was made, which tells less.
    """
    state = describe_state(path)
    return f"{state}\0{Path(path).stat().st_ctime_ns}" if state else ""


def _digest(texts: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:12]


def natural_key(name: str) -> str:
    """A key that sorts frame2 before frame10, and is equal for frame2 and frame002.

    Each number is written behind its length, so that a longer one comes later; before any letter.
    """

    def write(match: re.Match) -> str:
        # Not int() of all of them, which takes no thousands.
        digits = match[0] if match[0].isascii() else "".join(str(int(digit)) for digit in match[0])
        digits = digits.lstrip("0") or "0"
        return f"\0{chr(min(len(digits), sys.maxunicode))}{digits}"

    return re.sub(r"\d+", write, name)


def refuse_empty(words: Sequence[str]) -> None:
    """Errors: ValueError for an empty word of a command line: as a path, the working folder.

    A shell makes it of `--out "$FOLDER"` where nothing has set FOLDER.
    """
    if any(not word or (word.startswith("--") and word.endswith("=")) for word in words):
        raise ValueError(
            f"A word of a command must not be empty. Received: {shlex.join(words)}. Give it a "
            "value, or leave out its option."
        )


def refuse_escape(name: str, listing: Path | str) -> None:
    """Errors: ValueError where a POSIX path that `listing` names leaves the listing's folder.

    So does one with a NUL, which no file's name has.
    """
    if re.match("/|[A-Za-z]:", name) or "\0" in name or ".." in name.split("/"):
        raise ValueError(
            f"A path in a list must stay in its folder. Received: {name!r} in {listing}. "
            "Write paths relative to the list."
        )
