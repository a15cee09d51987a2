"""Reads CONNECTORS_FILE, once for each path: a change counts from the next start on."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from django.conf import settings

from connectors.installation.schemas import FileSection, Network, PreconfiguredSection
from connectors.strict_yaml import BadYaml, Document, read_yaml
from spaces.errors import FieldError, InvalidInput
from spaces.validation import check_storable, parse_model

LONGEST: Final = 4 * 1024 * 1024
_NO_NETWORK: Final = Network()
_NO_DOCUMENT: Final = Document({}, {})


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong in the file, on which line (from 1, 0 for the file itself) and at which key."""

    line: int
    key: str
    detail: str

    def __str__(self) -> str:
        place = f"line {self.line}" if self.line else "the file"
        return f"{place}, {self.key}: {self.detail}" if self.key else f"{place}: {self.detail}"


@dataclass(frozen=True, slots=True)
class InstallationFile:
    """What the file says; nothing where it cannot be used."""

    network: Network = _NO_NETWORK
    connectors: tuple[PreconfiguredSection, ...] = ()
    problems: tuple[Problem, ...] = ()
    document: Document = _NO_DOCUMENT

    def problem(self, error: FieldError) -> Problem:
        """Return what is wrong at a place in the file."""
        return Problem(self.document.line_of(error.pointer), _as_key(error.pointer), error.detail)


def installation_file() -> InstallationFile:
    """Return what CONNECTORS_FILE says; nothing at all when none is set."""
    return _read(settings.CONNECTORS_FILE) if settings.CONNECTORS_FILE else _NONE


_NONE: Final = InstallationFile()


@lru_cache(maxsize=8)
def _read(path: str) -> InstallationFile:
    try:
        data = Path(path).read_bytes()
        if len(data) > LONGEST:
            raise ValueError(f"It is longer than {LONGEST} bytes.")
        document = read_yaml(data.decode("utf-8"))
    except OSError as error:
        return InstallationFile(problems=(Problem(0, "", f"{path}: {error.strerror}."),))
    except UnicodeDecodeError:
        return InstallationFile(problems=(Problem(0, "", f"{path} is not text in UTF-8."),))
    except BadYaml as error:
        return InstallationFile(problems=(Problem(error.line, "", error.detail),))
    except ValueError as error:
        return InstallationFile(problems=(Problem(0, "", str(error)),))
    return _understand(document, str(Path(path).parent))


def _understand(document: Document, directory: str) -> InstallationFile:
    value: Any = {} if document.value is None else document.value
    try:
        check_storable(value, "")
        section = parse_model(FileSection, value, "", context={"directory": directory})
    except InvalidInput as invalid:
        empty = InstallationFile(document=document)
        return InstallationFile(problems=tuple(empty.problem(error) for error in invalid.errors))
    return InstallationFile(section.network, section.connectors, (), document)


def _as_key(pointer: str) -> str:
    """Return a JSON pointer as people write a place in YAML: ``connectors[1].config.url``."""
    key = ""
    for part in pointer.split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        key += f"[{name}]" if name.isdigit() else f".{name}"
    return key.removeprefix(".")
