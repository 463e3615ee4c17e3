// Walks the official TypeScript SDK through a served sandbox world, in that world's time, and prints
// one JSON line for each row: what was called or went wrong, and what the SDK made of it.
// Usage: node walk.mjs ORIGIN KEY REPO
import { jules } from '@google/jules-sdk';
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { joinWorld } from './world_time.mjs';

const [origin, apiKey, github] = process.argv.slice(2);
const source = { github, baseBranch: 'main' };
const steered = (words) => `Add tests for the parser\nsandbox-life: ${words}`;
const homes = [];

/** Return a client with an empty cache of its own; the world's time costs nothing, its polls do. */
const connect = ({ config, ...options } = {}) => {
  homes.push(mkdtempSync(join(tmpdir(), 'jules-')));
  process.env.JULES_HOME = homes.at(-1);
  return jules.with({
    apiKey,
    baseUrl: `${origin}/jules/v1alpha`,
    config: { pollingIntervalMs: 20_000, ...config },
    ...options,
  });
};
const collect = async (items) => {
  const found = [];
  for await (const item of items) found.push(item);
  return found;
};
const failure = async (promise) => {
  const error = await promise.then(
    () => assert.fail('it should have failed'),
    (raised) => raised,
  );
  return error.name === 'Error' ? `Error: ${error.message}` : error.name;
};
/** Say how long an answer took, in the world. */
const timed = async (promise) => {
  const asked = Date.now();
  await promise;
  return `answered after ${(Date.now() - asked) / 1000} s`;
};
const finished = async (words, more = {}) => {
  const run = await connect().run({ prompt: steered(words), source, ...more });
  await run.result();
  return run.id;
};
const begun = async (words) => {
  const run = await connect().run({ prompt: steered(words), source });
  return connect().session(run.id);
};

const ROWS = {
  'sources.list': async () => {
    const found = await collect(connect().sources());
    assert.equal(new Set(found.map((one) => one.name)).size, found.length);
    return `${found.length} sources, page by page`;
  },
  'sources.get': async () => {
    const found = await connect().sources.get({ github });
    assert.equal(found.name, `sources/github/${github}`);
    assert.ok(found.githubRepo.branches.includes(found.githubRepo.defaultBranch));
    return 'found, with its branches';
  },
  'sessions.create': async () => {
    const run = await connect().run({ prompt: steered('calm quick'), title: 'Parser tests', source });
    const { pullRequest, title } = await run.result();
    assert.equal(title, 'Parser tests');
    assert.match(pullRequest.url, new RegExp(`^https://github.com/${github}/pull/\\d+$`));
    return 'with a repository: a pull request';
  },
  'a pull request that shows late': async () => {
    const run = await connect().run({ prompt: steered('calm quick output-late'), source });
    const seen = [(await run.result()).pullRequest];
    await new Promise((done) => setTimeout(done, 120_000));
    seen.push((await run.result()).pullRequest);
    return seen.map((pull) => (pull ? 'there' : 'not there')).join(', then ');
  },
  'sessions.create, repoless': async () => {
    const run = await connect().run({ prompt: steered('calm quick'), title: 'New tool' });
    const outcome = await run.result();
    assert.equal(outcome.pullRequest, undefined);
    const files = outcome.generatedFiles().all();
    assert.ok(files.length > 0 && files.every((file) => file.changeType === 'created'));
    return 'new files, no pull request';
  },
  'sessions.get': async () => {
    const info = await connect().session(await finished('calm quick')).info();
    assert.deepEqual([info.state, info.archived], ['completed', false]);
    assert.match(info.id, /^\d{16,20}$/);
    return 'completed';
  },
  'sessions.list': async () => {
    const first = await connect().sessions({ pageSize: 2 });
    assert.equal(first.sessions.length, 2);
    const all = await connect().sessions({ pageSize: 2 }).all();
    const times = all.map((one) => one.createTime);
    assert.deepEqual(times, [...times].sort().reverse());
    assert.equal(new Set(all.map((one) => one.id)).size, all.length);
    return 'newest first, each once';
  },
  'sessions.archive': async () => {
    const client = connect();
    const id = await finished('calm quick no-outputs');
    const listed = async (options) =>
      (await client.sessions(options).all()).some((one) => one.id === id);
    await client.session(id).archive();
    assert.deepEqual([await listed({}), await listed({ filter: 'archived = true' })], [false, true]);
    assert.equal((await connect().session(id).info()).archived, true);
    return 'hidden by default, shown by its filter';
  },
  'sessions.unarchive': async () => {
    const client = connect();
    const id = await finished('calm quick no-outputs');
    await client.session(id).archive();
    await client.session(id).unarchive();
    assert.ok((await client.sessions().all()).some((one) => one.id === id));
    return 'shown again';
  },
  'sessions.delete': async () => {
    const session = connect().session(await finished('calm quick'));
    assert.equal(session.delete, undefined);
    return null;
  },
  'sessions.approvePlan': async () => {
    const session = await connect().session({ prompt: steered('calm quick'), source });
    await session.waitFor('awaitingPlanApproval');
    await session.approve();
    assert.equal((await session.result()).state, 'completed');
    return 'waited for, approved, completed';
  },
  'sessions.sendMessage': async () => {
    const session = await begun('calm quick asks');
    await session.waitFor('awaitingUserFeedback');
    const reply = await session.ask('The first one');
    assert.equal(reply.message, 'Understood.');
    await session.send('Thank you');
    assert.equal((await session.result()).state, 'completed');
    return 'asked, answered, completed';
  },
  'sessions.activities.list': async () => {
    const id = await finished('calm quick');
    const page = await connect().session(id).activities.list({ pageSize: 2 });
    assert.deepEqual([page.activities.length, Boolean(page.nextPageToken)], [2, true]);
    const found = await collect(connect().session(id).history());
    assert.equal(found.at(-1).type, 'sessionCompleted');
    const session = connect().session(id);
    assert.deepEqual([await session.hydrate(), await session.hydrate()], [found.length, 0]);
    return 'oldest first; read on from a time: nothing twice';
  },
  'sessions.activities.list, as it happens': async () => {
    const run = await connect().run({ prompt: steered('calm quick'), source });
    const seen = [];
    for await (const activity of run.stream()) {
      seen.push(activity.type);
      if (activity.type === 'sessionCompleted') break;
    }
    assert.deepEqual(seen.slice(0, 3), ['planGenerated', 'planApproved', 'progressUpdated']);
    return 'from the plan to the end, as it happens';
  },
  'sessions.activities.get': async () => {
    const id = await finished('calm quick');
    const [first] = await collect(connect().session(id).history());
    const got = await connect().session(id).activities.get(first.id);
    assert.deepEqual(got.plan.steps.map((step) => step.index ?? 0), [0, 1, 2]);
    return 'with its plan';
  },
  'a picture, command output, a diff': async () => {
    const id = await finished('calm quick');
    const snapshot = await connect().session(id).snapshot();
    const artifacts = snapshot.activities.flatMap((activity) => activity.artifacts);
    assert.deepEqual(new Set(artifacts.map((one) => one.type)), new Set(['media', 'bashOutput', 'changeSet']));
    assert.ok(artifacts.filter((one) => one.type === 'changeSet').at(-1).parsed().files.length > 0);
    return 'all three';
  },
  'a diff in activities only': async () => {
    const run = await connect().run({ prompt: steered('calm quick no-outputs'), source });
    const outcome = await run.result();
    assert.deepEqual([outcome.outputs, outcome.generatedFiles().all()], [[], []]);
    return 'no files: outputs are empty';
  },
  'a session that fails': async () => failure((await begun('calm quick fails')).result()),
  'an unknown source': async () =>
    failure(connect().run({ prompt: 'x', source: { github: 'nobody/nothing', baseBranch: 'main' } })),
  'an unknown session': async () => failure(connect().session('1234567890123456789').info()),
  'a wrong key': async () => failure(connect({ apiKey: 'another' }).sessions().all()),
  'activities right after the create': async () => failure(collect((await begun('calm')).history())),
  'an activity without an event': async () => {
    const id = await finished('calm quick odd-activity');
    return failure(collect(connect().session(id).history()));
  },
  '503 eight times, then an answer': async () =>
    timed((await begun('calm quick unavailable')).info()),
  '429 until the minute is over': async () => {
    const session = connect().session(await finished('calm quick'));
    await Promise.all(Array.from({ length: 120 }, () => session.activities.list()));
    return timed(session.activities.list());
  },
  '429 for longer than the client waits': async () => {
    const id = await finished('calm quick');
    const config = { rateLimitRetry: { maxRetryTimeMs: 20_000 } };
    const session = connect({ config }).session(id);
    await Promise.all(Array.from({ length: 120 }, () => session.activities.list()));
    return failure(session.activities.list());
  },
  'a create whose answer is lost': async () => {
    const title = 'Only once';
    await connect().run({ prompt: steered('calm answer-lost'), title, source });
    const listed = await connect().sessions().all();
    return `sent again: ${listed.filter((one) => one.title === title).length} sessions`;
  },
};

const leave = await joinWorld(origin);
try {
  for (const [row, walk] of Object.entries(ROWS)) {
    console.log(JSON.stringify({ row, result: await walk() }));
  }
} finally {
  await leave();
  for (const home of homes) rmSync(home, { recursive: true });
}
