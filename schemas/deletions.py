"""What is deleted from the registry, refused while something that is there needs it. Pure, as `registrations`.

A deletion is a record like any other, so an id stays taken. It ends nothing without a name: records on their way to a
batch that is deleted become dead letters, `batch_unknown`, and can be replayed to another batch; calls that are pending
are not made, which has to be said. What was stored stays stored, and reports stay true.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from schemas.records import Agent, ApiKey, Batch, CallingNumber, Workspace
from schemas.registrations import Refusal, RegistrationRefusedError, quoted
from schemas.registry import Registry

MOST_LISTED: Final = 5
DROP_PENDING: Final = "--drop-pending on the command line, dropPending=true over HTTP"


def deleted_workspace(state: Registry, workspace: Workspace, now_ms: int) -> Workspace:
    """Return the workspace as deleted; refuse it while anything in it is there."""
    kinds: dict[str, Iterable[ApiKey | Agent | CallingNumber | Batch]] = {
        "key": (key for key in state.keys.values() if key.revoked_at is None),
        "agent": state.agents.values(),
        "calling number": state.numbers.values(),
        "batch": state.batches.values(),
    }
    owned = {kind: sum(one.workspace_id == workspace.workspace_id for one in kept) for kind, kept in kinds.items()}
    counts = [_counted(number, kind) for kind, number in owned.items() if number]
    if counts:
        sentence = f"the workspace {quoted(workspace.name)} still has {', '.join(counts)}"
        raise _used("workspaceId", sentence, "Revoke its keys, then delete its batches, numbers and agents, then it.")
    return msgspec.structs.replace(workspace, deleted_at=now_ms)


def deleted_agent(state: Registry, agent: Agent, now_ms: int) -> Agent:
    """Return the agent as deleted; refuse it while calling numbers are assigned to it."""
    numbers = [one.phone_id for one in state.numbers.values() if one.agent_id == agent.agent_id]
    if numbers:
        sentence = f"the agent {quoted(agent.name)} still speaks on {_counted(len(numbers), 'calling number')}"
        raise _used("agentId", sentence, f"Assign them to another agent, or delete them: {_listed(numbers)}.")
    return msgspec.structs.replace(agent, deleted_at=now_ms)


def deleted_number(state: Registry, number: CallingNumber, now_ms: int) -> CallingNumber:
    """Return the calling number as deleted; refuse it while batches call from it."""
    batches = [one.batch_id for one in state.batches.values() if number.phone_id in one.phone_ids]
    if batches:
        sentence = f"the number {number.number} is still used by {_counted(len(batches), 'batch')}"
        raise _used("phoneId", sentence, f"Give them other numbers, or delete them: {_listed(batches)}.")
    return msgspec.structs.replace(number, deleted_at=now_ms)


def deleted_batch(batch: Batch, pending: int, now_ms: int) -> Batch:
    """Return the batch as deleted; refuse it while calls are pending, `pending` of them, that would not be made."""
    if pending:
        sentence = f"the batch {quoted(batch.name)} still has {_counted(pending, 'pending call')}"
        raise _used("batchId", sentence, f"Wait until they are made, or drop them: {DROP_PENDING}.")
    return msgspec.structs.replace(batch, deleted_at=now_ms)


def _used(field: str, sentence: str, remedy: str) -> RegistrationRefusedError:
    return RegistrationRefusedError(Refusal.USED, field, sentence, remedy)


def _counted(number: int, what: str) -> str:
    plural = f"{what}es" if what.endswith("ch") else f"{what}s"
    return f"{number} {what if number == 1 else plural}"


def _listed(ids: Sequence[str]) -> str:
    rest = len(ids) - MOST_LISTED
    return ", ".join(ids[:MOST_LISTED]) + (f" and {rest} more" if rest > 0 else "")
