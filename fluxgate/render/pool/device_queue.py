"""The device queue: cases on one device are measured one at a time, in the order in which they came, or as many at
once as each of them allows.

Every process takes a ticket, a file whose number is one higher than the highest there is, and holds a lock on it for as
long as it waits or works. The lowest ticket whose lock is held is the one whose turn it is, and so are the next ones as
far as all before them share: the lock of a process that died is gone, whatever user or container it belonged to. All
users of a machine share the queue."""

from __future__ import annotations

import fcntl
import getpass
import os
import re
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import msgspec

from fluxgate.locks import Say, acquired, silent, wait_until
from fluxgate.refusal import Refusal

VARIABLE = "FLUXGATE_QUEUE"  # names another folder, for containers that share a GPU and no /tmp
FOLDER = Path("/tmp/fluxgate-queue")  # not $TMPDIR, which may be another one for each user
FOR_EVERYBODY = 0o1777  # everybody may add files, and remove their own
READABLE = 0o644  # a lock can be tried on a file that can be read
LONGEST_TICKET = 4096  # bytes that are read of one
LONGEST_NAME = 80  # characters of a case or user that are shown


@dataclass(frozen=True)
class Ticket:
    """What a process tells all who wait behind it."""

    process: int
    user: str
    case: str
    since: float | None = None  # seconds of the epoch at which its turn began; None while it waits
    at_once: int = 1  # cases that may have the device at once, this one among them


@contextmanager
def turn(
    device: str, *, case: str, at_once: int = 1, report: Say = silent, look: Callable[[], None] = lambda: None
) -> Iterator[None]:
    """Have a device, named by its GPU's uuid or "cpu", for a case: to itself, or with others that share it as well.

    at_once: how many cases may have it at once, this one among them.
    look is called again and again while it waits; what it raises ends the waiting."""
    try:
        folder = _shared_folder(re.sub(r"[^A-Za-z0-9-]", "-", device))
        ticket = Ticket(os.getpid(), _user(), case, at_once=at_once)
        number, handle = _take_ticket(folder, ticket)
    except OSError as error:
        sentence = f"The queue for {device} cannot be joined: {error.strerror} ({error.filename})."
        raise Refusal(f"{sentence} Set {VARIABLE} to a folder that everybody may write to.") from error
    try:
        place = _Place(folder, number, device, at_once)
        wait_until(partial(_reached, place, look), waiting=place.describe, report=report)
        with _alone_in(folder):
            _write(handle, replace(ticket, since=time.time()))
        yield
    finally:
        (folder / str(number)).unlink(missing_ok=True)
        os.close(handle)


def _reached(place: _Place, look: Callable[[], None]) -> bool:
    look()
    return place.is_reached()


class _Place:
    """One ticket's place in the queue."""

    def __init__(self, folder: Path, number: int, device: str, at_once: int) -> None:
        self._folder = folder
        self._number = number
        self._device = device
        self._at_once = at_once
        self._earlier: list[Ticket] = []

    def is_reached(self) -> bool:
        """Look again who comes before it, and say whether that is nobody, or few enough that share."""
        with _alone_in(self._folder):
            numbers = [number for number in _numbers(self._folder) if number < self._number]
            tickets = [_read_live(self._folder / str(number)) for number in numbers]
        self._earlier = [ticket for ticket in tickets if ticket is not None]
        return len(self._earlier) < min([self._at_once, *(ticket.at_once for ticket in self._earlier)])

    def describe(self, waited: float) -> str:
        """One line that says who has the device, since when, and how many others come before this one."""
        first, *others = self._earlier
        who, case = f"process {first.process} of {_shown(first.user)}", _shown(first.case)
        began = time.strftime("%H:%M:%S", time.localtime(first.since))
        holder = f"{who} renders {case} on it since {began}" if first.since else f"{who} is next, with {case}"
        more = f"; {len(others)} more before this one" if others else ""
        return f"waiting for {self._device} ({waited:.0f} s so far): {holder}{more}"


def _shared_folder(name: str) -> Path:
    """The folder of one device's tickets, open to everybody."""
    root = Path(os.environ.get(VARIABLE) or FOLDER)
    for folder in (root, root / name):
        with suppress(FileExistsError):
            folder.mkdir()
        status = folder.lstat()
        if not stat.S_ISDIR(status.st_mode):
            raise NotADirectoryError(0, "it is no folder", str(folder))
        if status.st_uid == os.getuid() and stat.S_IMODE(status.st_mode) != FOR_EVERYBODY:
            folder.chmod(FOR_EVERYBODY)  # whatever the umask has taken away
    return root / name


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Keep all others from looking and from taking tickets, for the moment that this takes."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _take_ticket(folder: Path, ticket: Ticket) -> tuple[int, int]:
    """The number of a new ticket, and its open file, which is locked before anybody else can look at it."""
    with _alone_in(folder):
        number = max(_numbers(folder), default=0) + 1
        path = folder / str(number)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, READABLE)
        try:
            os.fchmod(handle, READABLE)
            fcntl.flock(handle, fcntl.LOCK_EX)
            _write(handle, ticket)
        except BaseException:
            path.unlink()
            os.close(handle)
            raise
    return number, handle


def _numbers(folder: Path) -> list[int]:
    """The numbers of all tickets; files of other names are none."""
    return sorted(int(name) for name in os.listdir(folder) if re.fullmatch("[0-9]{1,18}", name))


def _write(handle: int, ticket: Ticket) -> None:
    data = msgspec.json.encode(ticket)
    os.pwrite(handle, data, 0)
    os.ftruncate(handle, len(data))


def _read_live(path: Path) -> Ticket | None:
    """The ticket of a process that is alive, or None. That of a dead one is removed, if it may be."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)  # it may be a pipe
    except OSError:  # its process has just removed it, or it is nobody's ticket
        return None
    try:
        if acquired(handle, fcntl.LOCK_SH):
            with suppress(OSError):  # another user's
                path.unlink()
            return None
        return _parsed(os.pread(handle, LONGEST_TICKET, 0))
    finally:
        os.close(handle)


def _parsed(data: bytes) -> Ticket:
    """What a ticket says; another user may have written anything into it."""
    try:
        return msgspec.json.decode(data, type=Ticket)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Ticket(0, "an unknown user", "something")


def _shown(name: str) -> str:
    """A name that somebody else has written, fit for a terminal."""
    return "".join(letter for letter in name if letter.isprintable())[:LONGEST_NAME]


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container may run as a user that has no name
        return f"user {os.getuid()}"
