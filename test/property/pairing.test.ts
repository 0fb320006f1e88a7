import { describe, expect, it } from "vitest";
import type { PairingMessage } from "../../protocol/pairing/messages.ts";
import { encodePairingMessage, readPairingMessage } from "../../protocol/pairing/messages.ts";
import { formatPairingLink, parsePairingLink } from "../../protocol/pairing/pairing-link.ts";
import { deriveRecoveryKeys, openRecoveryMessage, sealHomeRequest } from "../../protocol/pairing/recovery.ts";
import { encodeRepositoryGrant, readRepositoryGrant } from "../../protocol/pairing/recovery.ts";
import { identityOpWire } from "../../protocol/identity/identity-op.ts";
import { randomBelow } from "../../protocol/kernel/random.ts";
import { person } from "../support/acl-world.ts";
import { filled, native } from "../support/data-fixtures.ts";
import { createSeededRandom } from "../support/seeded-random.ts";

const SEED = process.env["SEED"] ?? "pairing decoders";
const ROUNDS = Number(process.env["DECODER_RUNS"] ?? 600);
const random = createSeededRandom(SEED);
const owner = person("O");
const identityOps = owner.log.map(identityOpWire);
const messages: readonly PairingMessage[] = [
  { type: "hello", proof: filled(1, 32), commit: filled(2, 32) },
  { type: "greeting", nonce: filled(1, 32), sig: filled(2, 64) },
  {
    type: "reveal",
    nonce: filled(1, 32),
    statement: { idRoot: owner.id, devSig: filled(3, 32), identityOps, name: "Ölga" },
    sig: filled(4, 64),
  },
  { type: "confirmed" },
  { type: "certified", certificate: { identityOps, recoverySeed: null, addresses: ["[::1]:1"] } },
  { type: "done" },
  { type: "declined" },
];
const keys = deriveRecoveryKeys(native, filled(1, 32));
const request = sealHomeRequest(native, random, keys, owner.device, owner.log).wire;
const grant = encodeRepositoryGrant({
  rid: filled(1, 16),
  title: "Home",
  aclOps: [[filled(2, 200), filled(3, 64)]],
  epochs: [{ eid: filled(4, 16), S: filled(5, 32), W: filled(6, 32) }],
  topicPk: filled(7, 32),
});

/** Some bytes of a valid encoding changed, dropped, added or replaced by noise. */
const broken = (valid: Uint8Array): Uint8Array => {
  if (randomBelow(random, 4) === 0) return random.bytes(randomBelow(random, 200));
  const bytes = valid.slice(0, valid.length - randomBelow(random, 3));
  for (let i = randomBelow(random, 3); i >= 0; i--) bytes[randomBelow(random, bytes.length)] = randomBelow(random, 256);
  return bytes;
};

describe(`decoders of pairing, seed ${SEED}`, () => {
  it.each(messages.map((message) => [message.type, message] as const))("%s survives its encoding", (_type, message) => {
    const read = readPairingMessage(encodePairingMessage(message));
    expect(read.ok && read.value).toEqual(message);
  });

  it("whatever comes, nothing throws, and what is read is read the same again", () => {
    for (let round = 0; round < ROUNDS; round++) {
      for (const message of messages) {
        const read = readPairingMessage(broken(encodePairingMessage(message)));
        if (read.ok) expect(readPairingMessage(encodePairingMessage(read.value))).toEqual(read);
      }
      const read = readRepositoryGrant(broken(grant));
      if (read.ok) expect(readRepositoryGrant(encodeRepositoryGrant(read.value))).toEqual(read);
      const link = parsePairingLink(
        `p2pc:d/${String.fromCharCode(...random.bytes(randomBelow(random, 90)).map((byte) => 33 + (byte % 90)))}`,
      );
      if (link.ok) expect(formatPairingLink(link.value)).toMatch(/^p2pc:d\//);
    }
    for (let round = 0; round < ROUNDS / 10; round++)
      expect(openRecoveryMessage(native, keys, owner.id, broken(request))).toBeUndefined();
  });
});
