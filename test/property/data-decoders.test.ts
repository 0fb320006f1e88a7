import { describe, expect, it } from "vitest";
import { decodeManifest, encodeManifest, openManifest, sealManifest } from "../../protocol/blob/manifest.ts";
import { readAclOp, signAclOp } from "../../protocol/acl/acl-op.ts";
import { decodeBundle } from "../../protocol/checkpoint/bundle.ts";
import { encodeCheckpoint, readCheckpoint } from "../../protocol/checkpoint/checkpoint.ts";
import { ITEM_KINDS, readItem, sealItem } from "../../protocol/entry/item.ts";
import { readLive, signLive } from "../../protocol/entry/live.ts";
import { encodeParts, readParts } from "../../protocol/entry/payload.ts";
import { readRecord, signRecord } from "../../protocol/entry/record.ts";
import { encodeContactCard, readContactCard } from "../../protocol/identity/contact-card.ts";
import { readIdentityOp } from "../../protocol/identity/identity-op.ts";
import { deriveInviteKeys, formatInviteLink, parseInviteLink } from "../../protocol/invite/invite-link.ts";
import { encodeMessage, readMessage, verifyChallenge, verifyRequest } from "../../protocol/invite/messages.ts";
import { createJoiner } from "../../protocol/invite/joiner.ts";
import { openMessage } from "../../protocol/invite/rendezvous.ts";
import { monotonicMs } from "../../protocol/kernel/time.ts";
import type { RandomSource } from "../../protocol/kernel/random.ts";
import { decodePeerMessage, encodePeerMessage } from "../../protocol/peer/wire.ts";
import { createItemSet } from "../../protocol/reconcile/item-set.ts";
import { createInitiator, respond } from "../../protocol/reconcile/reconciler.ts";
import { createWorld, epochFor, person, sealsFor } from "../support/acl-world.ts";
import { filled, must, native } from "../support/data-fixtures.ts";
import { bundleDependencies, createRecordHistory } from "../support/record-history.ts";
import { createSeededRandom } from "../support/seeded-random.ts";

const RUNS = Number(process.env["DECODER_RUNS"] ?? 600);

const owner = person("O");
const world = createWorld(owner);
const place = { rid: filled(4, 16), gen: 0 };
const payload = encodeParts([
  { type: "changes", doc: filled(6, 16), changes: [filled(9, 60), filled(8, 30)] },
  { type: "receipt", integrated: [[filled(1, 16), 3]] },
  { type: "aclOp", header: filled(1, 90), sig: filled(2, 64) },
]);
const fields = {
  sess: filled(5, 16),
  seq: 0,
  prev: filled(0, 32),
  parents: [filled(1, 32)],
  acl: [filled(7, 32)],
  ts: 1,
};
const span = { doc: filled(6, 16), aseqFrom: 1, n: 2, lastChangeHash: filled(8, 32) };
const record = signRecord(native, owner.device, { ...place, ...fields, parts: [span] }, payload);
const origin = { kind: ITEM_KINDS.entry, topicKey: native.signingKey(filled(2, 32)), gen: 0, salt: filled(3, 16) };
const item = must(sealItem(native, origin, filled(1, 32), record.bytes));
const aclOp = world.op(owner, [world.genesis], {
  type: "set",
  who: owner.id,
  role: 2,
  identityOps: owner.log,
  seals: sealsFor([owner]),
  cuts: [[filled(1, 16), 3]],
  epoch: epochFor(1, [0], [owner]),
});
const identityOp = owner.log[0];
if (identityOp === undefined) throw new Error("no identity op");
const secret = filled(1, 16);
const keys = deriveInviteKeys(native, secret);
const party = { idRoot: owner.id, devSig: owner.device.publicKey, identityOps: owner.log, name: "Olga" };
const joiner = createJoiner({
  crypto: native,
  link: { secret },
  seed: filled(1, 32),
  device: owner.device,
  joiner: party,
  message: "",
});
const [request] = joiner.handle({ type: "start" }, monotonicMs(0));
if (request?.type !== "publish") throw new Error("no request");
const requestMessage = openMessage(native, keys, request.item.wire);
if (requestMessage?.type !== "request") throw new Error("no request");
const set = createItemSet(Array.from({ length: 100 }, (_, i) => ({ gen: i, id: filled(i, 32) })));
const card = {
  idRoot: owner.id,
  identityOps: owner.log,
  inboxSeed: filled(1, 32),
  inboxEnc: filled(2, 32),
  proxyHints: [filled(3, 9)],
};
const manifest = {
  size: 300_000,
  mime: "image/png",
  name: "a.png",
  sha256: filled(1, 32),
  chunks: [
    { id: filled(2, 32), key: filled(3, 32) },
    { id: filled(4, 32), key: filled(5, 32) },
  ],
};
const root = sealManifest(native, filled(6, 32), manifest);
const link = formatInviteLink({ mode: "ask", secret, proxies: [], addresses: ["a:1"], label: "x" });

const bundle = createRecordHistory(createSeededRandom("bundle"), 12);

/** Every decoder of the data layer with one valid input. */
const decoders: readonly (readonly [name: string, valid: Uint8Array, decode: (bytes: Uint8Array) => unknown])[] = [
  ["item", item.wire, (bytes) => readItem(native, bytes)],
  ["record", record.bytes, (bytes) => readRecord(native, bytes, place)],
  ["payload", payload, readParts],
  ["bundle", bundle.payload, (bytes) => decodeBundle(bundleDependencies, bundle.rid, bytes)],
  [
    "checkpoint",
    encodeCheckpoint({
      sessions: [{ sess: filled(1, 16), devSig: filled(2, 32), seq: 7, iid: filled(3, 32) }],
      bundles: [{ oid: filled(4, 32), ranges: [[0, 2, 7]] }],
      aclOps: [{ header: filled(6, 90), sig: filled(7, 64) }],
      previous: filled(1, 32),
    }),
    readCheckpoint,
  ],
  [
    "live",
    signLive(owner.device, filled(1, 32), {
      sess: filled(5, 16),
      counter: 3,
      challenge: filled(7, 16),
      data: { type: "presence", state: filled(1, 40) },
    }),
    (bytes) => readLive(native, filled(1, 32), bytes),
  ],
  ["manifest", encodeManifest(manifest), decodeManifest],
  ["sealed manifest", root.ciphertext, (bytes) => openManifest(native, root, bytes)],
  [
    "chunk message",
    encodePeerMessage({ type: "getChunk", request: 3, topic: filled(1, 32), id: filled(2, 32) }),
    decodePeerMessage,
  ],
  ["identity op", identityOp.headerBytes, (bytes) => readIdentityOp(native, [bytes, identityOp.sig])],
  ["contact card", encodeContactCard(card), (bytes) => readContactCard(native, bytes)],
  ["ACL op", aclOp.headerBytes, (bytes) => readAclOp(native, bytes, aclOp.sig)],
  ["rendezvous message", encodeMessage(requestMessage), readMessage],
  [
    "join request",
    requestMessage.header,
    (header) => verifyRequest(native, keys.signing.publicKey, { ...requestMessage, header }),
  ],
  [
    "challenge",
    requestMessage.header,
    (header) => verifyChallenge(native, { type: "challenge", header, sig: filled(0, 64) }),
  ],
  ["rendezvous item", request.item.wire, (bytes) => openMessage(native, keys, bytes)],
  [
    "invite link",
    Buffer.from(link.slice("p2pc:j/".length), "base64url"),
    (bytes) => parseInviteLink(`p2pc:j/${Buffer.from(bytes).toString("base64url")}`),
  ],
  [
    "reconciliation",
    createInitiator({ crypto: native, set }).start(),
    (bytes) => respond({ crypto: native, set }, bytes),
  ],
];

const mutated = (random: RandomSource, valid: Uint8Array): Uint8Array => {
  const kind = random.uint32() % 5;
  if (kind === 0) return random.bytes(random.uint32() % 1024);
  if (kind === 1) return valid.slice(0, random.uint32() % (valid.length + 1));
  const out =
    kind === 2 ? new Uint8Array(Buffer.concat([valid, random.bytes(1 + (random.uint32() % 40))])) : valid.slice();
  for (let i = 0; i < 1 + (random.uint32() % 4); i++) out[random.uint32() % out.length] = random.uint32() & 255;
  return out;
};

describe("decoders of the data layer", () => {
  for (const [name, valid, decode] of decoders) {
    it(`I39 ${name}: total on any bytes, 1 KiB never costs 50 ms`, () => {
      const random = createSeededRandom(`decoder/${name}`);
      decode(valid);
      let slowest = 0;
      for (let run = 0; run < RUNS; run++) {
        const input = mutated(random, valid);
        const start = process.cpuUsage().user;
        expect(() => decode(input), `run ${run}: ${Buffer.from(input).toString("hex")}`).not.toThrow();
        if (input.length <= 1024) slowest = Math.max(slowest, process.cpuUsage().user - start);
      }
      expect(slowest).toBeLessThan(50_000);
    });
  }

  it("I2 what an ACL op decodes to signs to the same bytes again", () => {
    const read = must(readAclOp(native, aclOp.headerBytes, aclOp.sig));
    expect(signAclOp(native, owner.device, read).headerBytes).toEqual(aclOp.headerBytes);
  });
});
