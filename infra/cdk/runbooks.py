"""Drafts the runbook page of each alarm: `python -m infra.cdk.runbooks` writes the missing ones.

A page is drafted from `infra/cdk/pages` and belongs to people from then on: one that exists is
never touched. `tests/infra` checks that each alarm has its page, that each page has an alarm, and
that it says what it must.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING

from infra.cdk import alarming, definitions, rights
from infra.cdk.packaging import ROOT

if TYPE_CHECKING:
    from infra.cdk.alarming import Alarm
    from infra.cdk.rights import Function

SECTIONS = ("Meaning", "First look", "What to do", "Redrive")
FOLDER = "infra/runbooks"

_PAGES = Path(__file__).with_name("pages")
_WHO = {
    "http": "A caller got an answer that is our fault; callers retry, and writes are idempotent.",
    "authorizer": "No token is verified while it fails: every protected request is refused.",
    "stream": "Facts of a table are late or put aside: consumers have not heard of them.",
    "queue": "Messages are tried again, and put aside after five attempts.",
    "task": "The workflow retries the step, and fails when no try is left.",
    "schedule": "A regular duty did not run; the next turn catches up unless the cause stays.",
}
_REDRIVE = {
    "http": "Nothing to redrive: the caller repeats the request.",
    "authorizer": "Nothing to redrive: the caller repeats the request.",
    "stream": "The batch was put aside: follow [streams-dead-letters.md](streams-dead-letters.md).",
    "queue": "Messages were put aside: follow [{queue}-dead-letters.md]({queue}-dead-letters.md).",
    "task": "Redrive the failed execution, by the `-failed` page of its workflow.",
    "schedule": "Follow [schedules-dead-letters.md](schedules-dead-letters.md).",
}


def pages(root: Path = ROOT) -> dict[str, str]:
    """File name -> draft of the page, for every alarm of the house."""
    functions = rights.read(root)
    by_name = {function.name: function for function in functions}
    alarms = alarming.every(functions, definitions.names(root))
    return {f"{alarm.name}.md": _page(alarm, by_name.get(alarm.subject), root) for alarm in alarms}


def _page(alarm: Alarm, function: Function | None, root: Path) -> str:
    if function is not None:
        template, values = f"function-{alarm.family}", _of_function(function, root)
    elif alarm.family == "dead-letters":
        shared = alarm.subject in alarming.SHARED_DEAD_LETTERS
        template = alarm.subject if shared else "dead-letters"
        values = {"source": alarm.subject.removesuffix("-dead-letters")}
    elif alarm.family == "workflow":
        late = alarm.name.endswith("-timed-out")
        template = "workflow"
        values = {
            "source": f"infra/workflows/{alarm.subject}.asl.json",
            "how": "ran out of time" if late else "failed",
            "status": "TIMED_OUT" if late else "FAILED",
        }
    else:
        template, values = alarm.name if alarm.family in ("api", "house") else alarm.family, {}
    values |= {"alarm": alarm.name, "subject": alarm.subject}
    text = (_PAGES / f"{template}.md").read_text("utf-8")
    return re.sub(r"\{\{(\w+)\}\}", lambda found: values[found[1]], text)


def _of_function(function: Function, root: Path) -> dict[str, str]:
    source = f"functions/{function.area}/{function.module}.py"
    told = ast.get_docstring(ast.parse((root / source).read_text("utf-8"))) or ""
    duty = " ".join(told.split("\n\n")[0].split())
    queue = (function.entry.source or "").partition(":")[2]
    return {
        "source": source,
        "who": _WHO[function.kind],
        "duty": f"\n\nIts duty: {duty}" if duty else "",
        "timeout": str(function.timeout_seconds),
        "redrive": _REDRIVE[function.kind].format(queue=queue),
    }


def main() -> None:
    """Write the pages that are missing; say which pages have no alarm any more."""
    folder = ROOT / FOLDER
    drafts = pages()
    for name, text in drafts.items():
        if not (folder / name).exists():
            (folder / name).write_text(text, "utf-8")
            print(f"drafted {FOLDER}/{name}")  # noqa: T201 - a command
    for path in sorted(folder.glob("*.md")):
        if path.name not in drafts and path.name != "README.md":
            print(f"no alarm for {FOLDER}/{path.name}")  # noqa: T201


if __name__ == "__main__":
    main()
