"""What an element holds: the last writer wins, be it the page or the visitor's hand. Knows nothing of elements.

A page passes a value (from a link, from a reset) and gets back what the visitor chose; both may change at any time,
and answers of the browser may be late. Each value that the page sets anew gets a number; the browser returns the
number beside what was chosen, so that an answer to an older value is known and dropped. As long as the page has
nothing new to say the number stays, and so does the whole message: Streamlit then sends only its hash.

Each session counts from a number of its own: a browser that finds another session after its connection was lost (the
server was started anew) shows what that one says, and what it had sent to the old one is not heard.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

import streamlit as st

T = TypeVar("T")
_SESSION = "the session's first number"


@dataclass(frozen=True)
class Held(Generic[T]):
    """`base` is what the browser starts from under `number`; `given` and `value` came in and went out last."""

    subject: str
    number: int
    base: T
    given: T
    value: T


def held(key: str, given: T, subject: str, read: Callable[[object], T]) -> Held[T]:
    """The value of the element `key`, to be called once a run, before the element is mounted with `base` and `number`.

    `given` is the page's value; it is heard when it is new: neither what the page said last nor what it got back last.
    `subject` names what is chosen from (a hash of the pictures); with another subject the page's value counts.
    The browser sends {"number": int, "value": …} as state `held`; `read` turns that value into a T or raises
    ValueError. What it refuses, and what has another number, is as if it had never been sent.
    """
    slot = f"{key}/held"
    last: Held[T] | None = st.session_state.get(slot)
    sent = _message(st.session_state.get(key))
    if last is None:
        now = Held(subject, session(), given, given, given)
    elif subject != last.subject or given not in (last.given, last.value) or (sent is None and last.value != last.base):
        now = Held(subject, last.number + 1, given, given, given)
    else:
        now = replace(last, given=given)
    if sent is not None and sent[0] == now.number:
        with suppress(ValueError, RecursionError):  # the latter: its words name what is nested too deep
            now = replace(now, value=read(sent[1]))
    st.session_state[slot] = now
    return now


def session() -> int:
    """A number that tells this session from any other."""
    if _SESSION not in st.session_state:
        st.session_state[_SESSION] = _drawn()
    return int(st.session_state[_SESSION])


def _drawn() -> int:
    """Far from any other's; below 2⁵³, where the browser's numbers end being whole."""
    return secrets.randbelow(2**40)


def _message(state: object) -> tuple[int, object] | None:
    """(number, value) out of the element's state, or None where it holds no such message."""
    message = state.get("held") if isinstance(state, Mapping) else None
    if not isinstance(message, Mapping) or set(message) != {"number", "value"}:
        return None
    number = message["number"]
    return (number, message["value"]) if isinstance(number, int) and not isinstance(number, bool) else None
