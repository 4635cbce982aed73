"""The words of consent and access; a part of the one table in `wording`."""

from __future__ import annotations

ACCESS: dict[str, str] = {
    "act.consent": "Agreed to publication",
    "act.revoke-consent": "Took the consent back",
    "act.agree": "Agree to it now",
    "act.revoke": "Take the consent back",
    "event.publication.changed": "What is public of it changed",
    "publish.agreed": "{person} has agreed to its publication.",
    "publish.later": "Agree now, and on {day} at 00:00 UTC it becomes readable by anyone, for good: data, description, "
    "previews.",
    "publish.cautions": "Would become public too; is it meant to?",
    "publish.extent.metadata": "only the description is public",
    "publish.extent.nothing": "not shown at present: access is restricted",
    "revoke.reason": "Reason for taking it back",
    "flash.agreed": "Your consent is on record. It becomes public by itself when the embargo ends.",
    "flash.revoked": "The consent is taken back. Nothing becomes public.",
    "project.show_metadata": "Show the description of embargoed and restricted data to everybody, without their files",
}
"""English, as all of that table."""
