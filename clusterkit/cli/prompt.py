"""The prompt on a terminal: line editing, history, Tab.

The only file that knows prompt_toolkit, which runs an event loop of its own in
a thread; trio keeps the main one, and the connection breathing. Imported only
when there is a prompt: a one-shot command must not wait for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio
from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.patch_stdout import patch_stdout

from clusterkit.cli.complete import offers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from prompt_toolkit.document import Document
    from prompt_toolkit.history import History
    from prompt_toolkit.input import Input
    from prompt_toolkit.output import Output

    from clusterkit.cli.complete import Snapshot


class TableCompleter(Completer):
    """Offers what the command table and the snapshot have."""

    def __init__(self, known: Callable[[], Snapshot]) -> None:
        self._known = known

    def get_completions(
        self, document: Document, complete_event: CompleteEvent
    ) -> Iterable[Completion]:
        """Yield what may stand at the cursor."""
        for offer in offers(document.text_before_cursor, self._known()):
            yield Completion(
                offer.word, start_position=-len(offer.typed), display_meta=offer.help
            )


class Prompt:
    """Asks for lines.

    Args:
        text: Returns what to ask with; read again whenever it is drawn.
        known: Returns the names to complete.
        history: What was typed before.
        input: The terminal; another one in tests.
        output: Likewise.
    """

    def __init__(
        self,
        text: Callable[[], str],
        known: Callable[[], Snapshot],
        history: History,
        input: Input | None = None,
        output: Output | None = None,
    ) -> None:
        self._session: PromptSession[str] = PromptSession(
            text,
            completer=TableCompleter(known),
            complete_while_typing=False,
            enable_history_search=True,
            history=history,
            input=input,
            output=output,
        )

    async def ask(self) -> str | None:
        """Return the next line; None after Ctrl-D, "" after Ctrl-C.

        Cancellation:
            Leaves the prompt first, so that the terminal is as it was.
        """
        try:
            return await trio.to_thread.run_sync(self._ask, abandon_on_cancel=True)
        except EOFError:
            return None
        except KeyboardInterrupt:
            return ""
        except trio.Cancelled:
            self._leave()
            raise

    def redraw(self) -> None:
        """Draw the prompt again, if it is there; its text may have changed."""
        self._session.app.invalidate()

    def _ask(self) -> str:
        # What other tasks print meanwhile goes above the prompt.
        with patch_stdout(raw=True):
            return self._session.prompt()

    def _leave(self) -> None:
        app = self._session.app
        loop = app.loop
        if loop is not None and app.is_running:
            loop.call_soon_threadsafe(lambda: app.exit(result=""))
