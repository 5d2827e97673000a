"""Composition root of the preferences: the only place that picks adapters."""

from __future__ import annotations

from functools import cache

from dmp.composition import gate, journal, traces
from dmp.edge.settings import settings
from dmp.store.aws import client, ready
from dmp.store.preferences import ContactBook, PreferenceBook
from dmp.usecases.own_contact import ChangeOwnContact, ReadOwnContact
from dmp.usecases.set_preferences import ChangePreferences, ReadPreferences

ready("dynamodb")


@cache
def read_preferences() -> ReadPreferences:
    return ReadPreferences(gate(), _preferences())


@cache
def change_preferences() -> ChangePreferences:
    return ChangePreferences(gate(), _preferences())


@cache
def read_own_contact() -> ReadOwnContact:
    return ReadOwnContact(_contacts(), traces())


@cache
def change_own_contact() -> ChangeOwnContact:
    return ChangeOwnContact(_contacts(), traces())


@cache
def _preferences() -> PreferenceBook:
    return PreferenceBook(client("dynamodb"), settings().table("accounts"), journal())


@cache
def _contacts() -> ContactBook:
    return ContactBook(client("dynamodb"), settings().table("accounts"), journal())
