"""Tools that act on sessions of ours: message, approve, archive, unarchive, delete."""

import hashlib
import re
from typing import Annotated

from mcp_types import CallToolResult
from pydantic import Field

from mcp_server.clients import jules as api
from mcp_server.clients import jules_names
from mcp_server.errors import BadArgument, NotFound, Refused
from mcp_server.guard.request import Prepared
from mcp_server.models import Acted, Session
from mcp_server.perform import Done, new_purpose, perform, settle_done
from mcp_server.services import Services
from mcp_server.tools.jules_arguments import SessionId, Template, Variables
from mcp_server.tools.jules_starting import rendered
from mcp_server.tools.result import answer

AT_REST = frozenset({"COMPLETED", "FAILED", "PAUSED"})
# Jules says where its pull request is: only an address that names one on GitHub is looked up.
_PULL = re.compile(
    r"https://github\.com/([A-Za-z0-9-]+/(?!\.{1,2}/)[A-Za-z0-9._-]+)/pull/([0-9]{1,9})/?"
)


class JulesActing:
    """Acts on sessions that this factory started, each act at most once."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def jules_send_message(
        self,
        session_id: SessionId,
        message: Annotated[str | None, Field(max_length=10_000)] = None,
        template: Template = None,
        variables: Variables = None,
        purpose: Annotated[
            str, Field(max_length=80, description="two calls with one purpose send once")
        ] = "",
    ) -> Annotated[CallToolResult, Acted]:
        """Answer or steer a session of ours; at most 10 messages a session.

        The answer comes as an activity, in a minute or so. Next: jules_wait.
        """
        name = (await self._own(session_id)).id
        text = rendered(message, template, variables)
        words = purpose or hashlib.sha256(text.encode()).hexdigest()[:16]
        done = await perform(
            self._services,
            api.send_message(name, text),
            purpose=f"{name}:{words}",
            happened=lambda: self._is_one_more(name, text),
        )
        return _acted(name, "message sent", done)

    async def jules_approve_plan(self, session_id: SessionId) -> Annotated[CallToolResult, Acted]:
        """Approve the plan that a session of ours waits with; it then goes on. Next: jules_wait.

        Each plan once: after a message that asks for another one, that one is approved anew.
        """
        name = (await self._own(session_id)).id
        told = await self._services.jules.list_activities(name)
        plans = [item.id for item in told if item.kind == "planGenerated"]

        async def happened() -> bool:
            session = await self._services.account.session(name)
            return session.state != "AWAITING_PLAN_APPROVAL"

        done = await perform(
            self._services,
            api.approve_plan(name),
            # Where its activity does not show yet, the session is all there is to know it by.
            purpose=f"{name}:{plans[-1]}" if plans else name,
            happened=happened,
        )
        return _acted(name, "session plan approved", done)

    async def jules_archive_session(
        self, session_id: SessionId
    ) -> Annotated[CallToolResult, Acted]:
        """Archive a finished session, so that Jules' list stays clean.

        Ours; others of the account only with the setting `archive_others`. Refused while it runs
        (archiving a running session pauses it for good) and while its pull
        request is open, or cannot be read: it would be left to nobody.
        """
        session = await self._ours_or_all(session_id)
        if session.archived:
            self._settle("archive_session", session.id)
            return _acted(session.id, "archived", Done(result={}, already=True))
        await self._refuse_unfinished(session)
        return await self._put(api.archive_session(session.id), session.id, archived=True)

    async def jules_unarchive_session(
        self, session_id: SessionId
    ) -> Annotated[CallToolResult, Acted]:
        """Show an archived session in Jules' default list again.

        Ours; others of the account only with the setting `archive_others`. What was paused by
        archiving does not go on by it. Next: jules_get_session.
        """
        session = await self._ours_or_all(session_id)
        if not session.archived:
            self._settle("unarchive_session", session.id)
            return _acted(session.id, "unarchived", Done(result={}, already=True))
        return await self._put(api.unarchive_session(session.id), session.id, archived=False)

    async def jules_delete_session(
        self,
        session_id: SessionId,
        confirm: Annotated[bool, Field(description="true: it is gone for good")],
    ) -> Annotated[CallToolResult, Acted]:
        """Delete a finished session of ours for good; it still counts in the allowance.

        Off unless the operator's environment has FACTORY_ENABLE_DELETE=1; jules_archive_session
        does for everything else. Its branch and pull request stay.
        """
        if not self._services.settings.enable_delete:
            raise Refused(
                "deletion is off, and archiving does for everything else (jules_archive_session); "
                "only the operator switches it on: FACTORY_ENABLE_DELETE=1",
                limit="deletion_off",
            )
        if not confirm:
            raise BadArgument("a deletion cannot be undone: confirm=true says that it is meant")
        name = jules_names.session_id(session_id)
        try:
            session = await self._own(name)
        except NotFound:
            # Gone: by this factory, if it has a ticket for it.
            if self._services.ledger.find("delete_session", f"{name}#1") is None:
                raise
            settle_done(self._services, "delete_session", name)
            return _acted(name, "deleted", Done(result={}, already=True))
        await self._refuse_unfinished(session)

        async def happened() -> bool:
            try:
                await self._services.account.session(name)
            except NotFound:
                return True
            return False

        done = await perform(
            self._services, api.delete_session(name), purpose=name, happened=happened
        )
        return _acted(name, "deleted", done)

    async def _is_one_more(self, session_id: str, text: str) -> bool:
        """Whether a session shows a message more often than it is known to have been sent.

        The same words may be sent for several purposes, and each showing proves one of them.
        """
        told = await self._services.jules.list_activities(session_id)
        said, plain = [one.text.strip() for one in told if one.kind == "userMessaged"], text.strip()
        # Jules may leave out a line's end, and a template has one.
        same = {api.send_message(session_id, form).digest for form in (text, plain, f"{plain}\n")}
        known = self._services.ledger.messages_to(session_id)
        return said.count(plain) > sum(one.state == "spent" and one.digest in same for one in known)

    async def _put(self, prepared: Prepared, session_id: str, *, archived: bool) -> CallToolResult:
        """Archive or unarchive a session that was just seen in the other state."""
        what = "archive" if archived else "unarchive"

        async def happened() -> bool:
            return (await self._services.account.session(session_id)).archived is archived

        done = await perform(
            self._services,
            prepared,
            purpose=new_purpose(self._services, f"{what}_session", session_id),
            happened=happened,
        )
        return _acted(session_id, f"{what}d", done)

    def _settle(self, kind: str, session_id: str) -> None:
        """End the open ticket of a round that is seen to be done."""
        settle_done(self._services, kind, new_purpose(self._services, kind, session_id))

    async def _refuse_unfinished(self, session: Session) -> None:
        """Refuse a session that still works, or whose pull request would be left to nobody."""
        if session.state not in AT_REST:
            raise Refused(
                f"session {session.id} is {session.state}: it still works; jules_wait",
                limit="state",
            )
        if session.pull is None:
            return
        found = _PULL.fullmatch(session.pull.url)
        if found is None:
            raise Refused(f"{session.pull.url!r} cannot be read: left alone", limit="open_pull")
        try:
            pull = await self._services.github.get_pull(found[1], int(found[2]))
        except NotFound as error:
            raise Refused(
                f"{session.pull.url} cannot be seen: its session is left alone", limit="open_pull"
            ) from error
        if pull.state == "open":
            raise Refused(f"{session.pull.url} is open: merge or close it first", limit="open_pull")

    async def _ours_or_all(self, session_id: str) -> Session:
        if not self._services.settings.archive_others:
            return await self._own(session_id)
        return await self._services.account.session(jules_names.session_id(session_id))

    async def _own(self, session_id: str) -> Session:
        """Return a session of ours; somebody else's is left alone."""
        session = await self._services.account.session(jules_names.session_id(session_id))
        if not session.mine:
            raise Refused(
                f"session {session.id} is not this factory's: left alone", limit="foreign"
            )
        return session


def _acted(session_id: str, what: str, done: Done) -> CallToolResult:
    already = " (already)" if done.already else ""
    found = Acted(session_id=session_id, done=what, already=done.already)
    return answer(f"session {session_id}: {what}{already}", found)
