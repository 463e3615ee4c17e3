// Lets this process live in the time of a served sandbox world: its `Date` is the world's, and each
// of its timers is a sleep there. As in mcp_server/sandbox/remote.py, time moves only while no
// request is under way; nothing here waits in real time.
import timers from 'node:timers/promises';
import { syncBuiltinESMExports } from 'node:module';

const RealDate = Date;
const realFetch = fetch;
const real = { setTimeout, clearTimeout };

/** Join the world at `origin`; returns a function that leaves it. */
export async function joinWorld(origin) {
  const ask = async (path, body) => {
    const answer = await realFetch(origin + path, { method: 'POST', body: JSON.stringify(body) });
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
    return answer.json();
  };
  const { client, now: joined } = await ask('/world/join', {});
  const waiting = new Set();
  let now = RealDate.parse(joined);
  let inFlight = 0;
  let asleep = false;

  // After what is ready has run: a timer that is cleared at once must not move time.
  const settle = () => setImmediate(move);
  const move = async () => {
    if (asleep || inFlight > 0 || waiting.size === 0) return;
    asleep = true;
    const until = Math.min(...[...waiting].map((timer) => timer.at));
    const woken = await ask('/world/sleep', { client, until: new RealDate(until).toISOString() });
    now = Math.max(until, RealDate.parse(woken.now));
    asleep = false;
    for (const timer of [...waiting]) {
      if (timer.at <= now && waiting.delete(timer)) timer.run();
    }
    settle();
  };

  globalThis.Date = class extends RealDate {
    constructor(...parts) {
      super(...(parts.length > 0 ? parts : [now]));
    }
    static now() {
      return now;
    }
  };
  globalThis.setTimeout = (callback, milliseconds = 0, ...given) => {
    const timer = {
      at: now + milliseconds,
      run: () => callback(...given),
      // What does not hold the process is not the program's: node's own HTTP client times its
      // sockets so, and those are real.
      unref() {
        if (waiting.delete(timer)) timer.real = real.setTimeout(timer.run, milliseconds).unref();
        return timer;
      },
      refresh: () => timer.real.refresh(),
    };
    waiting.add(timer);
    settle();
    return timer;
  };
  globalThis.clearTimeout = (timer) => {
    waiting.delete(timer);
    real.clearTimeout(timer?.real);
  };
  timers.setTimeout = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));
  syncBuiltinESMExports();
  globalThis.fetch = async (...request) => {
    inFlight += 1;
    try {
      const answer = await realFetch(...request);
      const { status, statusText, headers } = answer;
      return new Response(await answer.arrayBuffer(), { status, statusText, headers });
    } finally {
      inFlight -= 1;
      settle();
    }
  };
  return () => ask('/world/leave', { client });
}
