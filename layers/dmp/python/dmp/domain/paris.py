"""The time of those whom the record is about: inside all is UTC, days begin and end in Paris."""

from __future__ import annotations

from zoneinfo import ZoneInfo

PARIS = ZoneInfo("Europe/Paris")
