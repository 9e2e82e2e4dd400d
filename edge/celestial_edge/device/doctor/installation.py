"""Which extras are installed, from the package's own metadata."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, metadata, version

from packaging.requirements import Requirement

from celestialkeras.errors import install_line

PACKAGE = "celestialkeras"

BARE = ""
"""Name of what is installed with no extra: what a board needs."""


@dataclass(frozen=True)
class Extra:
    """One extra, or the bare install.

    Attributes:
        name: Its name; `BARE` for the bare install.
        packages: How many packages it asks for on this Python and system.
        missing: Packages that are not there, or not in a version that it takes, in words.
        install: What to type to install it.
    """

    name: str
    packages: int
    missing: tuple[str, ...]
    install: str

    @property
    def complete(self) -> bool:
        """Whether nothing is missing."""
        return not self.missing


def installed_extras() -> tuple[Extra, ...]:
    """Holds what each extra asks for against what is installed.

    Raises:
        PackageNotFoundError: The package itself is not installed, but run from its sources.
    """
    held = metadata(PACKAGE)
    return check_extras(held.get_all("Requires-Dist") or (), held.get_all("Provides-Extra") or ())


def check_extras(
    requirements: Iterable[str], extras: Iterable[str], version_of: Callable[[str], str] = version
) -> tuple[Extra, ...]:
    """Holds requirements against what is installed.

    Args:
        requirements: What the package asks for, as its metadata has it.
        extras: Names of its extras.
        version_of: Gives a package's installed version, or raises `PackageNotFoundError`.

    Returns:
        The bare install, then the extras. An extra that is made of others is left out.
    """
    asked = [one for one in map(Requirement, requirements) if one.name != PACKAGE]
    always = [one for one in asked if _applies(one, BARE)]
    by_extra = {name: [one for one in asked if one not in always and _applies(one, name)] for name in extras}
    wanted = {BARE: always, **by_extra}
    return tuple(_extra(name, packages, version_of) for name, packages in wanted.items() if packages)


def _applies(one: Requirement, extra: str) -> bool:
    return one.marker is None or one.marker.evaluate({"extra": extra})


def _extra(name: str, wanted: Sequence[Requirement], version_of: Callable[[str], str]) -> Extra:
    missing = tuple(filter(None, (_lacking(one, version_of) for one in wanted)))
    return Extra(name, len(wanted), missing, install_line(name))


def _lacking(one: Requirement, version_of: Callable[[str], str]) -> str:
    asked = f"{one.name}{one.specifier}"
    try:
        found = version_of(one.name)
    except PackageNotFoundError:
        return asked
    return "" if one.specifier.contains(found, prereleases=True) else f"{asked}, found {found}"
