import { copyFileSync, cpSync, existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { bytesToHex, hexToBytes } from "../../protocol/kernel/bytes.ts";
import {
  eventually,
  type HeadlessNode,
  removeFolder,
  startHeadless,
  temporaryFolder,
} from "../support/headless-node.ts";
import { type NodePair, startNodePair } from "../support/node-pair.ts";
import { openProfileDatabase } from "../support/profile-database.ts";

const DATABASE_FILES = ["profile.db", "profile.db-wal", "profile.db-shm"];
/** Edits before and after the copy is taken. */
const EDITS = 12;

let pair: NodePair;
let left: HeadlessNode;
let right: HeadlessNode;
let copies: string;
let document: string;

const copyDatabase = (from: string, to: string): void => {
  mkdirSync(to, { recursive: true });
  for (const name of DATABASE_FILES) {
    rmSync(path.join(to, name), { force: true });
    if (existsSync(path.join(from, name))) copyFileSync(path.join(from, name), path.join(to, name));
  }
};

const restartLeft = async (): Promise<void> => {
  left = await startHeadless(left.dataDirectory);
  await left.call("peers.connect", { address: right.address });
};

const type = async (word: string, count = EDITS): Promise<readonly string[]> => {
  const words = Array.from({ length: count }, (_, at) => `${word}${at}`);
  for (const text of words) await left.call("documents.edit", { document, appendMarkdown: text });
  return words;
};

const textAt = async (node: HeadlessNode): Promise<ReadonlySet<string>> =>
  new Set((await node.call("documents.read", { document })).text.split(/\s+/));

const bothHold = (words: readonly string[]): Promise<unknown> =>
  eventually(
    async () => {
      const [a, b] = await Promise.all([textAt(left), textAt(right)]);
      return words.every((word) => a.has(word) && b.has(word));
    },
    `both sides hold ${words.at(-1)}`,
  );

/** Sessions of the left device in the notebook that carry records, and every record of it that either side knows, by session and number. */
const ownRecords = async (device: string) => {
  const records = new Map<string, Set<string>>();
  let forks = 0;
  for (const { dataDirectory } of [left, right]) {
    const database = await openProfileDatabase(dataDirectory);
    const query =
      "SELECT iid, device, session, seq FROM inner_record WHERE repository = (SELECT n FROM repository WHERE rid = ?)";
    const rows = database.prepare(query).all(hexToBytes(pair.notebook)) as {
      readonly iid: Uint8Array;
      readonly device: Uint8Array;
      readonly session: Uint8Array;
      readonly seq: number;
    }[];
    forks += (database.prepare("SELECT count(*) AS n FROM equivocation").get() as { n: number }).n;
    database.close();
    for (const row of rows) {
      if (bytesToHex(row.device) !== device) continue;
      const place = `${bytesToHex(row.session)} ${row.seq}`;
      records.set(place, (records.get(place) ?? new Set()).add(bytesToHex(row.iid)));
    }
  }
  return {
    forks,
    sessions: new Set([...records.keys()].map((place) => place.split(" ")[0])).size,
    contradictions: [...records.values()].filter((iids) => iids.size > 1).length,
  };
};

beforeEach(async () => {
  pair = await startNodePair();
  left = pair.left;
  right = pair.right;
  copies = temporaryFolder("copies");
  document = (await left.call("documents.create", { notebook: pair.notebook, title: "Log", markdown: "start" })).id;
  await eventually(async () => {
    const { notebooks } = await right.call("sync.status");
    return notebooks[0]?.documents.some(({ id }) => id === document);
  }, "the note at the other side");
}, 60_000);

afterEach(async () => {
  await Promise.all([left.stop(), right.stop(), pair.dispose()]);
  removeFolder(copies);
}, 30_000);

const delivered = (): Promise<unknown> =>
  eventually(async () => {
    const { notebooks } = await left.call("sync.status");
    return notebooks[0]?.undelivered === 0 && notebooks[0].pending === 0;
  }, "everything delivered, nothing pending");

test("I9 after kill -9 every sent entry is still there and the sessions go on", async () => {
  const { device } = await left.call("identity.show");
  const words = [...(await type("before"))];
  await bothHold(words);
  await left.kill();
  await restartLeft();
  words.push(...(await type("after")));
  await bothHold(words);
  await delivered();
  await left.stop();
  await right.stop();
  const { contradictions, forks, sessions } = await ownRecords(device);
  expect({ contradictions, forks }).toEqual({ contradictions: 0, forks: 0 });
  expect(sessions).toBe(1);
}, 90_000);

test("I8 a database put back from an older copy opens a new session, and nothing forks", async () => {
  const { device } = await left.call("identity.show");
  const words = [...(await type("before"))];
  await bothHold(words);
  await left.kill();
  copyDatabase(left.dataDirectory, copies);
  await restartLeft();
  const lost = await type("lost");
  await bothHold([...words, ...lost]);
  await left.kill();
  copyDatabase(copies, left.dataDirectory);
  // Nobody is there: what follows is written before the lost records can come back.
  await right.stop();
  left = await startHeadless(left.dataDirectory);
  words.push(...(await type("apart")));
  expect(await textAt(left)).not.toContain(lost[0]);
  right = await startHeadless(right.dataDirectory);
  await left.call("peers.connect", { address: right.address });
  await bothHold([...words, ...lost]);
  words.push(...(await type("after")));
  await bothHold([...words, ...lost]);
  await delivered();
  await left.stop();
  await right.stop();
  const { contradictions, forks, sessions } = await ownRecords(device);
  expect({ contradictions, forks }).toEqual({ contradictions: 0, forks: 0 });
  expect(sessions).toBe(2);
}, 90_000);

test("I8 a whole data folder put back is noticed when a peer shows what came after it", async () => {
  const { device } = await left.call("identity.show");
  const words = [...(await type("before"))];
  await bothHold(words);
  await left.stop();
  cpSync(left.dataDirectory, copies, { recursive: true });
  await restartLeft();
  const lost = await type("lost");
  await bothHold([...words, ...lost]);
  await left.stop();
  for (const name of readdirSync(left.dataDirectory))
    rmSync(path.join(left.dataDirectory, name), { recursive: true, force: true });
  cpSync(copies, left.dataDirectory, { recursive: true });
  await restartLeft();
  await bothHold([...words, ...lost]);
  words.push(...(await type("after")));
  await bothHold([...words, ...lost]);
  await delivered();
  await left.stop();
  await right.stop();
  const { contradictions, forks, sessions } = await ownRecords(device);
  expect({ contradictions, forks }).toEqual({ contradictions: 0, forks: 0 });
  expect(sessions).toBe(2);
}, 90_000);
