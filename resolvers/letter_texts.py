"""What letters say: subject, plain text and HTML, whatever names people have."""

import html
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime

from models.letters import LetterKind

LONGEST_NAME = 100
# What could end a header's line, turn the direction of a text or hide in it: names are shown without.
_UNSEEN = re.compile(
    "[\x00-\x20\x7f-\xa0\u00ad\u200b-\u200f\u2028-\u202f\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]+"
)


@dataclass(frozen=True)
class Content:
    """What one letter is about. `by` invited or asked; `provider` is where they sign in."""

    kind: str
    name: str
    username: str
    platform: str
    link: str
    expires_at: datetime
    by: str | None = None
    provider: str | None = None


def compose(content: Content, *, message_id: str, sender: str, moment: datetime) -> EmailMessage:
    """The message with its headers, but for whom it is to. Names are cleaned here; no header can be made of one."""
    platform = shown(content.platform)
    subject, paragraphs = _invitation(content) if content.kind == LetterKind.INVITATION else _reset(content)
    message = EmailMessage()
    message["Subject"] = subject
    message["From"] = Address(platform, addr_spec=sender)
    message["Date"] = format_datetime(moment)
    message["Message-ID"] = f"<{message_id}>"
    message["Auto-Submitted"] = "auto-generated"  # so that no holiday message answers (RFC 3834)
    message["X-Auto-Response-Suppress"] = "All"  # the same for Exchange
    message.set_content(_plain(paragraphs, content.link), cte="quoted-printable")
    message.add_alternative(_html(subject, paragraphs, content.link), subtype="html", cte="quoted-printable")
    return message


def shown(name: str) -> str:
    """A name in one line, bounded, without signs that nobody sees."""
    kept = _UNSEEN.sub(" ", name).strip()
    return kept if len(kept) <= LONGEST_NAME else f"{kept[: LONGEST_NAME - 1]}…"


def _invitation(content: Content) -> tuple[str, list[str]]:
    platform, username = shown(content.platform), shown(content.username)
    who = f"{shown(content.by)} invites you" if content.by else "You are invited"
    way = f" with {shown(content.provider)}" if content.provider else ""
    return f"Invitation to {platform}", [
        f"Hello {shown(content.name)},",
        f"{who} to {platform}. You will sign in{way} as {username}.",
        f"To accept, open this link. It works once, until {_until(content.expires_at)}:",
        "",
        "Did you not expect this letter? Then there is nothing to do: without the link nothing happens. Give it to "
        "nobody, because whoever has it can accept in your name.",
    ]


def _reset(content: Content) -> tuple[str, list[str]]:
    platform, username = shown(content.platform), shown(content.username)
    who = f"{shown(content.by)} asked" if content.by else "Somebody, probably you, asked"
    return f"New password for {platform}", [
        f"Hello {shown(content.name)},",
        f"{who} for a new password for {username} at {platform}.",
        f"To set it, open this link. It works once, until {_until(content.expires_at)}:",
        "",
        "Did you not expect this letter? Then there is nothing to do: your password stays as it is. Give the link to "
        "nobody, because whoever has it can set your password.",
    ]


def _until(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%-d %B %Y, %H:%M} UTC"


def _plain(paragraphs: list[str], link: str) -> str:
    return "\n\n".join(each or link for each in paragraphs) + "\n"


def _html(subject: str, paragraphs: list[str], link: str) -> str:
    """No images, no foreign styles, nothing that is fetched: opening it tells nobody that it was read."""
    target = html.escape(link)
    anchor = f'<a href="{target}" style="word-break:break-all">{target}</a>'
    body = "\n".join(f"<p>{html.escape(each) if each else anchor}</p>" for each in paragraphs)
    return (
        f'<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8"><title>{html.escape(subject)}</title></head>\n'
        f'<body style="font:16px/1.5 sans-serif;max-width:36em;margin:1em auto">\n{body}\n</body>\n</html>\n'
    )
