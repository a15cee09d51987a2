"""The embeds of a message, held to Discord's limits.

Source: https://docs.discord.com/developers/resources/message, "Embed Limits".
"""

from collections.abc import Iterator
from typing import Any, Final

from connectors.types.conversations import BadMessage
from connectors.types.discord.schemas import Embed

_MAX_TITLE: Final = 256
_MAX_DESCRIPTION: Final = 4096
_MAX_NAME: Final = 256
_MAX_VALUE: Final = 1024
_MAX_FOOTER: Final = 2048
_MAX_TOGETHER: Final = 6000


def write_embeds(embeds: list[Embed]) -> list[dict[str, Any]]:
    """Return the embeds as they are sent; raise BadMessage for a text that Discord would refuse as too long."""
    together = 0
    for n, embed in enumerate(embeds):
        for place, text, most in _texts(embed):
            if len(text) > most:
                raise BadMessage(f"embeds[{n}].{place} has {len(text):,} characters; Discord takes {most:,}.")
            together += len(text)
    if together > _MAX_TOGETHER:
        raise BadMessage(f"embeds have {together:,} characters together; Discord takes {_MAX_TOGETHER:,}.")
    return [_write(embed) for embed in embeds]


def _texts(embed: Embed) -> Iterator[tuple[str, str, int]]:
    yield "title", embed.title, _MAX_TITLE
    yield "description", embed.description, _MAX_DESCRIPTION
    if embed.author is not None:
        yield "author.name", embed.author.name, _MAX_NAME
    if embed.footer is not None:
        yield "footer.text", embed.footer.text, _MAX_FOOTER
    for n, field in enumerate(embed.fields):
        yield f"fields[{n}].name", field.name, _MAX_NAME
        yield f"fields[{n}].value", field.value, _MAX_VALUE


def _write(embed: Embed) -> dict[str, Any]:
    """Return what the embed says; what is empty stays out, but not a color or a field's own members."""
    whole = embed.model_dump(exclude_none=True)
    written = {name: value for name, value in whole.items() if value not in ("", [])}
    for name in ("author", "footer"):
        if name in written:
            written[name] = {key: value for key, value in written[name].items() if value}
    return written
