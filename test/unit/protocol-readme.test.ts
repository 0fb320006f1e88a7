import { readdirSync, readFileSync } from "node:fs";
import { stripTypeScriptTypes } from "node:module";
import path from "node:path";
import { compileFunction } from "node:vm";
import { expect, test } from "vitest";
import { createNobleProvider } from "../../protocol/crypto/noble-provider.ts";
import { monotonicMs, unixMs } from "../../protocol/kernel/time.ts";
import { createSeededRandom } from "../support/seeded-random.ts";
import { createFixtureNode } from "../support/gossip-fixture.ts";
import { createTopicKeys } from "../../protocol/poldercast/topic-keys.ts";

/** The lines of use in a README run as they stand; only what a host would supply is given here. */

const ROOT = path.join(import.meta.dirname, "../../protocol");
const FOLDERS = [
  "bloom",
  "view",
  "cyclon",
  "urps",
  "vicinity",
  "ringcast",
  "poldercast",
  "blip",
  "bfpsi",
  "vpsi",
  "node",
];
/** Folders whose exports the examples may use beside their own. */
const SHARED = ["kernel", "crypto", "identity"];

const exportsOf = async (folder: string): Promise<Record<string, unknown>> => {
  const names: Record<string, unknown> = {};
  for (const file of readdirSync(path.join(ROOT, folder)).filter((each) => each.endsWith(".ts")))
    Object.assign(names, await import(path.join(ROOT, folder, file)));
  return names;
};

const exampleOf = (folder: string): string => {
  const [, code] = /```ts\n([\s\S]*?)```/.exec(readFileSync(path.join(ROOT, folder, "README.md"), "utf8")) ?? [];
  if (code === undefined) throw new Error(`${folder} shows no use`);
  return code;
};

const crypto = createNobleProvider();
const random = createSeededRandom("readme");
const now = monotonicMs(1000);
const element = random.bytes(32);
const keys = createTopicKeys(crypto, element);
const keysOf = (tag: string) => (tag === keys.tag ? keys : undefined);
const create = (name: string) =>
  createFixtureNode({ crypto, random: random.fork(name), topics: [{ element, keys }], keysOf, issuedAt: 1 });
const own = create("own");
const peer = create("peer");
const { polderCast } = own.node;
const payload = random.bytes(100);
const noop = (): undefined => undefined;

const given: Record<string, unknown> = {
  crypto,
  random,
  now,
  unixNow: unixMs(1_000_000),
  networkName: "readme",
  self: own.descriptor,
  descriptor: own.descriptor,
  contacts: [peer.descriptor],
  from: peer.descriptor.id,
  peer: peer.descriptor.id,
  peerId: peer.descriptor.id,
  partner: peer.descriptor.id,
  id: keys.messageId(payload),
  idToBytes: () => random.bytes(32),
  element,
  elementA: random.bytes(32),
  elementB: random.bytes(32),
  listedTopicElements: [element],
  topic: keys.tag,
  payload,
  keys,
  keysOf,
  rings: { links: polderCast.links },
  messageIdOf: () => keys.messageId(payload),
  isAuthentic: () => true,
  interests: own.interests,
  cyclon: polderCast.cyclon,
  vicinity: polderCast.vicinity,
  book: polderCast.book,
  urps: { sample: () => [peer.descriptor] },
  similarity: () => 1,
  message: {
    type: "shuffleRequest",
    exchange: 1,
    neighbors: [{ descriptor: peer.descriptor, age: 0 }],
  },
  transmit: noop,
  store: noop,
  countViolation: noop,
  session: { send: noop },
  worker: { post: noop },
  handshakeHash: random.bytes(32),
  local: random.bytes(32),
  remote: random.bytes(32),
  ownStaticKey: random.bytes(32),
  peerStaticKey: random.bytes(32),
  topicId: "topic",
  topicSecret: random.bytes(32),
  secretOfPeerAndDay: random.bytes(32),
  restoredSnapshot: undefined,
  bytes: random.bytes(10),
  received: random.bytes(10),
  seal: { seal: noop, open: noop, prove: noop, refutes: () => false },
  policy: { parametersId: 3, currentSlot: 100 },
  profile: undefined,
  verifier: { verify: noop },
};

const names: Record<string, unknown> = {};
for (const folder of [...SHARED, ...FOLDERS]) Object.assign(names, await exportsOf(folder));
const quota = (names["createRunQuota"] as (config: unknown) => unknown)(names["vpsiQuota"]);
const scope = Object.entries({ ...names, started: quota, answered: quota, ...given });

test.each(FOLDERS)("the lines of use in protocol/%s run", (folder) => {
  const code = stripTypeScriptTypes(`(() => {${exampleOf(folder)}})()`);
  const declared = new Set([...code.matchAll(/\bconst (\w+) =/g)].map(([, name]) => name));
  const used = scope.filter(([name]) => !declared.has(name) && new RegExp(`\\b${name}\\b`).test(code));
  const run = compileFunction(
    code,
    used.map(([name]) => name),
  ) as (...values: readonly unknown[]) => unknown;
  expect(() => void run(...used.map(([, value]) => value))).not.toThrow();
});
