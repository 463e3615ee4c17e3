"""A served world: its time in turns, its answers as in process, its faults and places to die."""

import asyncio
import queue
import threading
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeAlias

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.wiring import Wired, WorldFlags, within
from mcp_server.clock import LoopClock, SystemClock
from mcp_server.errors import BadArgument, FactoryError, NotFound, SettingsError
from mcp_server.sandbox.jules_wire import JULES_KEY
from mcp_server.sandbox.loop import run_virtual
from mcp_server.sandbox.mix import SMALL
from mcp_server.sandbox.remote import Link, WorldLost, run_joined
from mcp_server.sandbox.serve import serve
from mcp_server.sandbox.served_clock import ServedClock, Turns
from mcp_server.sandbox.sites import Sites
from mcp_server.sandbox.tokens import GITHUB_TOKEN
from mcp_server.sandbox.world import EPOCH, World

PATIENCE_SECONDS = 10
ONE, TWO = "client-1", "client-2"
HEADERS = {"x-goog-api-key": JULES_KEY, "authorization": f"Bearer {GITHUB_TOKEN}"}
SESSIONS = "/jules/v1alpha/sessions"

Step: TypeAlias = tuple[Any, ...]


def after(seconds: float) -> datetime:
    """Return the moment so long after the world's begin."""
    return EPOCH + timedelta(seconds=seconds)


# Turns


def took(*steps: Step) -> tuple[float, list[str]]:
    """Take steps (method, client, seconds); return the time and who is awake."""
    turns = Turns(now=EPOCH)
    for name, *rest in steps:
        step: Callable[..., object] = getattr(turns, name)
        step(*(after(one) if isinstance(one, int) else one for one in rest))
    awake = [client for client, until in turns.clients.items() if until is None]
    return (turns.now - EPOCH).total_seconds(), awake


JOIN = ("join",)


@pytest.mark.parametrize(
    ("steps", "seconds", "awake"),
    [
        ([JOIN, ("sleep", ONE, 60)], 60, [ONE]),
        ([JOIN, ("sleep", ONE, -60)], 0, [ONE]),
        ([JOIN, JOIN, ("sleep", ONE, 60)], 0, [TWO]),
        ([JOIN, JOIN, ("sleep", ONE, 60), ("sleep", TWO, 90)], 60, [ONE]),
        ([JOIN, JOIN, ("sleep", ONE, 60), ("sleep", TWO, 60)], 60, [ONE, TWO]),
        ([JOIN, JOIN, ("sleep", ONE, 60), ("sleep", TWO, 90), ("sleep", ONE, 120)], 90, [TWO]),
        ([JOIN, JOIN, ("sleep", ONE, 60), ("wake", ONE), ("sleep", TWO, 90)], 0, [ONE]),
        ([JOIN, JOIN, ("sleep", ONE, 60), ("leave", TWO)], 60, [ONE]),
        ([JOIN, JOIN, ("leave", ONE), ("sleep", TWO, 90)], 90, [TWO]),
        ([JOIN, ("leave", ONE), JOIN], 0, [TWO]),
        ([JOIN, ("wake", "nobody")], 0, [ONE]),
    ],
)
def test_time_moves_only_while_everybody_sleeps_and_only_to_the_first_wake_up(
    steps: Sequence[Step], seconds: float, awake: list[str]
):
    """DESIGN.md section 8, Time: over sockets."""
    assert took(*steps) == (seconds, awake)


@pytest.mark.parametrize(
    ("steps", "error"),
    [
        ([("leave", ONE)], NotFound),
        ([("sleep", ONE, 60)], NotFound),
        ([("is_asleep", ONE)], NotFound),
        ([JOIN, JOIN, ("sleep", ONE, 60), ("sleep", ONE, 90)], BadArgument),
    ],
)
def test_a_step_out_of_turn_is_refused(steps: Sequence[Step], error: type[FactoryError]):
    """A client that was sent away must not go on unnoticed."""
    with pytest.raises(error):
        took(*steps)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3600)), max_size=40))
def test_time_never_goes_back_nor_past_a_sleeper(moves: list[tuple[int, int]]):
    """Whoever sleeps next, and however long."""
    turns = Turns(now=EPOCH)
    clients = [turns.join() for _ in range(3)]
    for number, seconds in moves:
        before = turns.now
        if not turns.is_asleep(clients[number]):
            turns.sleep(clients[number], before + timedelta(seconds=seconds))
        assert turns.now >= before
        assert all(until is None or until > turns.now for until in turns.clients.values())
        assert not all(turns.is_asleep(client) for client in clients)


# The clock


def test_time_runs_free_until_somebody_joins_and_again_when_the_last_has_left():
    """Sixty world seconds a second; a joined world has all the time."""

    async def main() -> list[float]:
        real = LoopClock(EPOCH)
        clock = ServedClock(EPOCH, real=real, speed=60)
        read: list[float] = []

        async def pass_real_minute() -> None:
            await real.sleep_until(real.now() + timedelta(minutes=1))
            read.append(clock.elapsed())

        await pass_real_minute()
        client = clock.join()
        await pass_real_minute()
        await clock.sleep(client, clock.now() + timedelta(hours=2))
        await pass_real_minute()
        clock.leave(client)
        await pass_real_minute()
        return read

    assert run_virtual(main()) == [3600, 3600, 10_800, 14_400]


def test_a_spectator_wakes_at_the_worlds_time_whether_it_runs_free_or_jumps():
    """It takes no part: nobody waits for it."""

    async def main() -> list[float]:
        real = LoopClock(EPOCH)
        clock = ServedClock(EPOCH, real=real, speed=60)
        await clock.sleep_until(after(600))
        read = [real.elapsed(), clock.elapsed()]
        spectator = asyncio.ensure_future(clock.sleep_until(after(900)))
        client = clock.join()
        await clock.sleep(client, after(1200))
        await spectator
        return [*read, real.elapsed(), clock.elapsed()]

    assert run_virtual(main()) == [10, 600, 10, 1200]


def test_a_sleep_that_is_broken_off_leaves_its_client_joined_and_awake():
    """A dropped connection proves nothing: the others wait until somebody kicks the silent one."""

    async def main() -> list[float]:
        real = LoopClock(EPOCH)
        clock = ServedClock(EPOCH, real=real, speed=60)
        silent, other = clock.join(), clock.join()
        broken = asyncio.ensure_future(clock.sleep(silent, after(60)))
        await real.sleep_until(real.now() + timedelta(seconds=1))
        broken.cancel()
        await asyncio.wait([broken])
        waiting = asyncio.ensure_future(clock.sleep(other, after(90)))
        await real.sleep_until(real.now() + timedelta(seconds=1))
        stood = clock.elapsed()
        clock.leave(silent)
        await waiting
        return [stood, clock.elapsed()]

    assert run_virtual(main()) == [0, 90]


# Over sockets


@dataclass(frozen=True)
class Place:
    """A world that is served by a thread of this process."""

    url: str
    world: World

    def get(self, path: str) -> httpx2.Response:
        """Read with both keys."""
        return httpx2.get(self.url + path, headers=HEADERS, timeout=PATIENCE_SECONDS)

    def post(self, path: str, body: object, patience: float = PATIENCE_SECONDS) -> httpx2.Response:
        """Send with both keys, on a connection of its own."""
        return httpx2.post(self.url + path, json=body, headers=HEADERS, timeout=patience)

    def sessions(self) -> int:
        """Return how many sessions there are."""
        return len(self.get("/world").json()["sessions"])


@pytest.fixture
def place() -> Generator[Place]:
    """Serve the world of seed 7, whose time stands still while nobody has joined."""
    places: queue.Queue[tuple[Place, Callable[[], object]]] = queue.Queue()

    async def main() -> None:
        clock = ServedClock(EPOCH, real=SystemClock(), speed=0)
        world = World(seed=7, clock=clock, sites=Sites(seed=7, directory=None))
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        async with serve(world, clock) as url:
            places.put((Place(url, world), lambda: loop.call_soon_threadsafe(stop.set)))
            await stop.wait()

    serving = threading.Thread(target=lambda: asyncio.run(main()))
    serving.start()
    there, stop = places.get(timeout=PATIENCE_SECONDS)
    try:
        yield there
    finally:
        stop()
        serving.join(PATIENCE_SECONDS)


A_SESSION = {"prompt": "Say hello", "title": "Hello"}


@pytest.mark.parametrize(
    ("served", "real"),
    [
        (SESSIONS, "https://jules.googleapis.com/v1alpha/sessions"),
        (f"{SESSIONS}?pageSize=1", "https://jules.googleapis.com/v1alpha/sessions?pageSize=1"),
        (f"{SESSIONS}/1%2F2?a=%26", "https://jules.googleapis.com/v1alpha/sessions/1%2F2?a=%26"),
        ("/github/user", "https://api.github.com/user"),
        ("/github/user/repos?page=2", "https://api.github.com/user/repos?page=2"),
        ("/github/nothing", "https://api.github.com/nothing"),
        ("/sites/github.com/trending?since=daily", "https://github.com/trending?since=daily"),
        ("/sites/dev.to/api/articles?per_page=3", "https://dev.to/api/articles?per_page=3"),
    ],
)
def test_an_answer_over_a_socket_is_the_one_in_process(place: Place, served: str, real: str):
    """Status, headers and body; of a world of the same seed at the same moment."""

    async def in_process() -> httpx2.Response:
        twin = World(seed=7, clock=LoopClock(EPOCH), sites=Sites(seed=7, directory=None))
        async with httpx2.AsyncClient(transport=twin.transport()) as http:
            return await http.get(real, headers=HEADERS)

    here, there = run_virtual(in_process()), place.get(served)
    assert (there.status_code, there.content) == (here.status_code, here.content)
    assert dict(there.headers) == dict(here.headers)
    assert there.headers["date"] == "Mon, 23 Nov 2026 00:00:00 GMT"


@pytest.mark.parametrize("path", ["/sites/", "/sites", "/elsewhere", "/world/join/x"])
def test_a_path_that_stands_for_nothing_is_not_found(place: Place, path: str):
    """Nothing is asked of the world."""
    assert place.get(path).status_code == 404
    assert place.world.requests == {}


@pytest.mark.parametrize("path", [SESSIONS, "/sites/nowhere.example/"])
def test_a_broken_network_is_a_dropped_connection(place: Place, path: str):
    """A storm breaks one exchange in five; a host that is not in the world cannot be reached."""
    place.post("/world/faults", {"profile": "storm"})

    def ask_often() -> None:
        for _ in range(100):
            place.get(path)

    with pytest.raises(httpx2.TransportError):
        ask_often()
    assert place.get("/world").json()["faults"] == "storm"


def test_a_world_can_be_served_in_bad_weather_from_the_start():
    """`agent sandbox serve --faults storm`."""

    async def main() -> str:
        clock = ServedClock(EPOCH, real=SystemClock())
        world = World(seed=7, clock=clock, sites=Sites(seed=7, directory=None))
        async with serve(world, clock, faults="storm") as url, httpx2.AsyncClient() as http:
            return (await http.get(f"{url}/world")).json()["faults"]

    assert asyncio.run(main()) == "storm"


@pytest.mark.parametrize(("side", "happened"), [("before", 0), ("after", 1)])
def test_a_frozen_mutation_is_held_until_its_sender_is_gone(place: Place, side: str, happened: int):
    """The world says where it stands; the mutations before it and reads pass."""
    assert place.post(SESSIONS, A_SESSION).status_code == 200
    before = place.sessions()
    place.post("/world/kill", {"mutation": 2, "side": side})
    assert place.post(SESSIONS, A_SESSION).status_code == 200
    assert place.get("/world").json()["frozen"] is None
    with pytest.raises(httpx2.ReadTimeout):
        place.post(SESSIONS, A_SESSION, patience=0.5)
    assert place.sessions() == before + 1 + happened
    assert place.post(SESSIONS, A_SESSION).status_code == 200


def test_who_waits_for_a_freeze_is_told_what_stands_frozen(place: Place):
    """So that a test can wait on a socket and kill."""
    place.post("/world/kill", {"mutation": 1, "side": "before"})

    async def main() -> str:
        async with httpx2.AsyncClient(base_url=place.url, headers=HEADERS, timeout=None) as http:
            sending = asyncio.ensure_future(http.post(SESSIONS, json=A_SESSION))
            told = await http.get("/world/frozen")
            sending.cancel()
            await asyncio.wait([sending])
            return told.json()["frozen"]

    assert asyncio.run(main()) == "before POST https://jules.googleapis.com/v1alpha/sessions"


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/world/faults", {"profile": "fog"}, 400),
        ("/world/kill", {"mutation": 0, "side": "before"}, 400),
        ("/world/kill", {"mutation": 1, "side": "beside"}, 400),
        ("/world/sleep", {"client": "client-9", "until": "2026-11-24T00:00:00"}, 400),
        ("/world/sleep", {"client": "client-9", "until": "2026-11-24T00:00:00Z"}, 404),
        ("/world/leave", {"client": "client-9"}, 404),
        ("/world/kick", {}, 400),
    ],
)
def test_a_request_that_makes_no_sense_is_refused_with_a_reason(
    place: Place, path: str, body: object, status: int
):
    """And changes nothing."""
    answer = place.post(path, body)
    assert (answer.status_code, bool(answer.json()["error"])) == (status, True)
    assert place.get("/world").json()["faults"] == "none"


def test_the_world_tells_what_its_judge_found(place: Place):
    """A repository made public is a broken promise."""
    place.post("/github/user/repos", {"name": "open-house", "private": False})
    told = place.get("/world").json()
    assert [one["rule"] for one in told["violations"]] == ["repository_public"]
    assert told["now"] == EPOCH.isoformat()
    assert told["effects"] > 0


# A joined process


def test_a_joined_process_lives_in_the_worlds_time(place: Place):
    """Sleeps and time-outs of any library cost no real time, and both sides read one clock."""

    async def main(link: Link) -> list[float]:
        await link.clock.sleep_until(after(86_400))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1 + 0.2):
                await asyncio.Event().wait()
        return [link.clock.elapsed()]

    assert run_joined(place.url, main) == [pytest.approx(86_400.3, abs=2e-6)]
    told = place.get("/world/clock").json()
    assert datetime.fromisoformat(told["now"]) - after(86_400.3) <= timedelta(microseconds=2)
    assert told["clients"] == {}


def test_time_stands_still_while_one_coroutine_waits_for_an_answer(place: Place):
    """Another one's short sleep does not carry the first one's request into the future."""

    async def main(link: Link) -> list[str]:
        network = link.network()
        async with httpx2.AsyncClient(transport=network.reads) as http:

            async def read() -> str:
                address = "https://api.github.com/user"
                return (await http.get(address, headers=HEADERS)).headers["date"]

            first, _, second = await asyncio.gather(
                read(), link.clock.sleep_until(after(0.001)), read()
            )
            return [first, second, await read()]

    start = "Mon, 23 Nov 2026 00:00:00 GMT"
    assert run_joined(place.url, main) == [start] * 3


def test_two_processes_take_turns(place: Place):
    """Each wakes at its own times, and neither is overtaken."""
    woken: list[tuple[str, float]] = []
    joined = threading.Barrier(2)

    def live(name: str, hours: Sequence[int]) -> None:
        async def main(link: Link) -> None:
            joined.wait(PATIENCE_SECONDS)
            for hour in hours:
                await link.clock.sleep_until(after(hour * 3600))
                woken.append((name, link.clock.elapsed() / 3600))

        run_joined(place.url, main)

    lives = [threading.Thread(target=live, args=one) for one in (("a", (1, 4, 5)), ("b", (2, 3)))]
    for one in lives:
        one.start()
    for one in lives:
        one.join(PATIENCE_SECONDS)
    assert woken == [("a", 1), ("b", 2), ("b", 3), ("a", 4), ("a", 5)]


def test_who_joins_is_told_who_else_is_there_and_what_the_allowance_is():
    """So that neither is a flag; and nobody waits for the dead without knowing."""

    async def main() -> list[dict[str, Any]]:
        clock = ServedClock(EPOCH, real=SystemClock())
        world = World(seed=7, clock=clock, sites=Sites(seed=7, directory=None))
        serving = serve(world, clock, allowance=SMALL.allowance)
        async with serving as url, httpx2.AsyncClient(base_url=url) as http:
            return [(await http.post("/world/join", json={})).json() for _ in range(2)]

    first, second = asyncio.run(main())
    assert (first["others"], first["allowance"], first["seed"]) == ([], 12, 7)
    assert (second["others"], second["allowance"]) == ([first["client"]], 12)


def test_an_allowance_that_is_not_told_is_not_guessed(place: Place):
    """Unknown is not the default: a command refuses, and leaves the world again."""

    async def work(_wired: Wired) -> None:
        pytest.fail("nobody said how many sessions may start")

    with pytest.raises(SettingsError, match="allowance"):
        within(WorldFlags(world=place.url), work)
    assert place.get("/world/clock").json()["clients"] == {}


def test_a_process_that_was_kicked_ends_instead_of_waiting(place: Place):
    """It must not go on in a world whose time no longer waits for it."""

    async def main(link: Link) -> None:
        place.post("/world/kick", {"client": link.client})
        await link.clock.sleep_until(after(60))

    with pytest.raises(WorldLost, match="404"):
        run_joined(place.url, main)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1", "http://127.0.0.1", "http://example.org:80", "nonsense"]
)
def test_no_world_at_the_address_is_said_before_anything_is_run(url: str):
    """Nothing but loopback is ever asked."""

    async def main(_link: Link) -> None:
        pytest.fail("there is no world to run in")

    with pytest.raises(SettingsError, match="--world"):
        run_joined(url, main)
