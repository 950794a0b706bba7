"""What a server answers: methods by name, each with the way it is run."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from serving.server.errors import StatusError, unforeseen
from serving.server.http2.call import Call
from serving.server.http2.inbox import Message
from serving.server.http2.pace import Answer, Task
from serving.server.http2.turns import Turns


class Method(ABC):
    """One method of a service. All is called in the loop."""

    def refusal(self) -> StatusError | None:
        """Returns why no call may begin now; None: one may."""
        return None

    @abstractmethod
    def message(self, call: Call, message: Message) -> None:
        """Takes a message of a call."""

    @abstractmethod
    def half_closed(self, call: Call) -> None:
        """The caller sends no more."""


class Missing(Method):
    """What was asked for and is not there."""

    def refusal(self) -> StatusError:
        """See `Method.refusal`."""
        return StatusError("UNIMPLEMENTED", "Method not found!")

    def message(self, call: Call, message: Message) -> None:
        """See `Method.message`."""

    def half_closed(self, call: Call) -> None:
        """See `Method.half_closed`."""


MISSING = Missing()


@dataclass
class Unary(Method):
    """One message, one reply, when the call's turn has come.

    Args:
        answer: From the bytes of the message to those of the reply; raises StatusError.
        turns: Runs it.
        refused: Told of every call that is one too many.
    """

    answer: Answer
    turns: Turns
    refused: Callable[[], object] = lambda: None
    _messages: dict[Call, Message] = field(default_factory=dict)

    def refusal(self) -> StatusError | None:
        """See `Method.refusal`."""
        text = self.turns.full()
        if not text:
            return None
        self.refused()
        return StatusError("UNAVAILABLE", text)

    def message(self, call: Call, message: Message) -> None:
        """See `Method.message`."""
        if call in self._messages:
            del self._messages[call]
            call.finish(StatusError("UNIMPLEMENTED", "more than one message in a call that takes one"))
            return
        self._messages[call] = message
        call.at_end(lambda: self._messages.pop(call, None))

    def half_closed(self, call: Call) -> None:
        """See `Method.half_closed`."""
        message = self._messages.pop(call, None)
        if message is None:
            call.finish(StatusError("UNIMPLEMENTED", "no message in a call that takes one"))
            return
        refusal = self.refusal()
        if refusal is not None:
            call.finish(refusal)
        else:
            self.turns.take(Task(call, message, self.answer))


@dataclass
class Streaming(Method):
    """Any number of messages each way, quickly answered in the loop.

    Args:
        answer: Takes the bytes of each message, and sends what there is to send.
        last: Whether the call ends when the caller has sent its last message.
        limit: Most bytes of a message, inflated; 0: no limit.
    """

    answer: Callable[[bytes, Call], None]
    last: bool
    limit: int
    _begun: set[Call] = field(default_factory=set)

    def message(self, call: Call, message: Message) -> None:
        """See `Method.message`."""
        if call not in self._begun:
            self._begun.add(call)
            call.at_end(lambda: self._begun.discard(call))
        try:
            self.answer(message.opened(self.limit), call)
        except StatusError as error:
            call.finish(error)
        except Exception:
            call.finish(unforeseen())

    def half_closed(self, call: Call) -> None:
        """See `Method.half_closed`."""
        if self.last:
            call.finish()
        elif call not in self._begun:
            call.finish(StatusError("UNIMPLEMENTED", "no message in a call that takes one"))


Methods = Mapping[str, Method]  # by `/package.Service/Method`
