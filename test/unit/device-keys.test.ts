import { describe, expect, test } from "vitest";
import { createDeviceLog } from "../../app/devices/device-log.ts";
import { createKeyRenewal } from "../../app/devices/key-renewal.ts";
import { openableSecrets } from "../../app/repositories/epochs.ts";
import type { Repository } from "../../app/repositories/repository.ts";
import { bytesToHex } from "../../protocol/kernel/bytes.ts";
import { ok } from "../../protocol/kernel/result.ts";
import { must, native } from "../support/data-fixtures.ts";
import type { ManualClock, RepositoryPeer } from "../support/repository-peers.ts";
import { createManualClock, createRepositoryPeer, exchange } from "../support/repository-peers.ts";
import { createSeededRandom } from "../support/seeded-random.ts";

const random = createSeededRandom("device keys");
const log = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };

/** The parts of a peer's node that look after its device, over a vault in memory. */
const deviceOf = (peer: RepositoryPeer, clock: ManualClock) => {
  const { profile } = peer;
  const deps = {
    store: peer.store,
    crypto: native,
    random: random.fork(peer.name),
    clock,
    log,
    repositories: peer.service(),
    members: peer.members(),
    profile,
    record: {
      isFounder: () => true,
      recoverySeed: () => null,
      save: async ({ ops, encryptionKey }: { ops?: typeof profile.ops; encryptionKey?: Uint8Array }) => {
        if (ops !== undefined) profile.ops = ops;
        if (encryptionKey !== undefined) profile.deviceEncryption = native.dhKeyPair(encryptionKey);
        return ok(null);
      },
      root: () => {
        throw new Error("nobody has a phrase here");
      },
    },
    changed: () => undefined,
  };
  const deviceLog = createDeviceLog(deps);
  return { deviceLog, renewal: createKeyRenewal({ ...deps, deviceLog }) };
};

const settle = (clock: ManualClock, one: RepositoryPeer, two: RepositoryPeer): void => {
  for (let round = 0, quiet = 0; quiet < 3 && round < 40; round++) {
    const handed = exchange(random, clock, one, two, 0);
    clock.advance(3_000);
    quiet = handed === 0 ? quiet + 1 : 0;
  }
};

const eidsOf = (peer: RepositoryPeer): readonly string[] =>
  (peer.repository() as Repository).access.state().epochs.map(({ body }) => bytesToHex(body.eid));
const headsOf = (peer: RepositoryPeer): readonly string[] =>
  (peer.repository() as Repository).access.state().epochHeads.map(({ body }) => bytesToHex(body.eid));

describe("a device's key renewed", () => {
  test("I20 who copied the old key opens nothing that is sealed later; who was away meanwhile loses nothing", async () => {
    const clock = createManualClock();
    const olga = createRepositoryPeer("Olga", random.fork("olga"), clock);
    const wim = createRepositoryPeer("Wim", random.fork("wim"), clock);
    olga.found();
    olga.write("<first>", "now");
    expect(olga.admit(wim, 2)).toBe(true);
    settle(clock, olga, wim);
    const { renewal } = deviceOf(olga, clock);
    const stolen = { ...olga.profile };
    const before = new Set(eidsOf(olga));

    // Away, Wim writes and changes the keys: his epoch is sealed to the key Olga is about to replace.
    wim.write("<away>", "now");
    must(wim.members().rotate(wim.repository() as Repository));
    wim.write("<sealed to the old key>", "now");
    expect((await renewal.renew()).ok).toBe(true);
    olga.write("<renewed>", "now");
    settle(clock, olga, wim);
    for (const text of ["<first>", "<away>", "<sealed to the old key>", "<renewed>"])
      for (const peer of [olga, wim]) expect(peer.text(), `${text} at ${peer.name}`).toContain(text);

    wim.write("<after>", "now");
    must(wim.members().rotate(wim.repository() as Repository));
    settle(clock, olga, wim);
    expect(olga.text()).toBe(wim.text());
    expect(headsOf(olga)).toEqual(headsOf(wim));

    const { access } = olga.repository() as Repository;
    const opened = (holder: typeof stolen) =>
      new Set(openableSecrets(native, access, holder, new Map(), new Set()).map(({ eid }) => bytesToHex(eid)));
    const byThief = opened(stolen);
    const later = eidsOf(olga).filter((eid) => !before.has(eid));
    expect(later).toHaveLength(3);
    // Of the later ones it has the epoch made by somebody who had not heard of the new key, and that one only in combination.
    expect(later.filter((eid) => byThief.has(eid))).toHaveLength(1);
    for (const head of headsOf(olga)) expect(byThief.has(head)).toBe(false);
    expect(eidsOf(olga).filter((eid) => !opened(olga.profile).has(eid))).toEqual([]);
  });

  test("I20 while the key a reader replaced opens the newest epoch, the keys are not taken for fresh, and they are renewed without a word", async () => {
    const clock = createManualClock();
    const olga = createRepositoryPeer("Olga", random.fork("fresh"), clock);
    const rita = createRepositoryPeer("Rita", random.fork("rita"), clock);
    olga.found();
    expect(olga.admit(rita, 1)).toBe(true);
    settle(clock, olga, rita);
    const repository = olga.repository() as Repository;
    const stolen = { ...rita.profile };
    expect(olga.service().hasFreshKeys(repository)).toBe(true);
    // A reader cannot change the keys itself.
    expect((await deviceOf(rita, clock).renewal.renew()).ok).toBe(true);
    settle(clock, olga, rita);
    expect(eidsOf(olga)).toHaveLength(1);
    expect(olga.service().hasFreshKeys(repository)).toBe(false);
    expect(olga.service().mayCompact(repository)).toBe(false);

    must(olga.service().renewKeys(repository));
    expect(olga.service().hasFreshKeys(repository)).toBe(true);
    expect(eidsOf(olga)).toHaveLength(2);
    const byThief = openableSecrets(native, repository.access, stolen, new Map(), new Set());
    expect(byThief.map(({ eid }) => bytesToHex(eid))).not.toContain(headsOf(olga)[0]);
    must(olga.service().renewKeys(repository));
    expect(eidsOf(olga)).toHaveLength(2);
  });

  test("the log does not grow with each change, the number rises, and an older vault heals itself", async () => {
    const clock = createManualClock();
    const olga = createRepositoryPeer("Olga", random.fork("alone"), clock);
    olga.found();
    const { renewal, deviceLog } = deviceOf(olga, clock);
    const own = bytesToHex(olga.profile.device.publicKey);
    for (let turn = 0; turn < 5; turn++) {
      clock.advance(1_000);
      expect((await renewal.renew()).ok).toBe(true);
    }
    expect(olga.profile.ops).toHaveLength(2);
    expect(olga.profile.earlierEncryption).toHaveLength(5);
    expect(deviceLog.state().devices.get(own)?.devEnc).toEqual(olga.profile.deviceEncryption.publicKey);
    const { access } = olga.repository() as Repository;
    expect(access.state().members[0]?.devices[0]?.devEnc).toEqual(olga.profile.deviceEncryption.publicKey);

    olga.profile.deviceEncryption = native.dhKeyPair(random.bytes(32));
    renewal.check();
    expect(deviceLog.state().devices.get(own)?.devEnc).toEqual(olga.profile.deviceEncryption.publicKey);
    renewal.check();
    expect(olga.profile.ops.map(({ body }) => (body.type === "rekeyDevice" ? body.n : 0))).toEqual([0, 6]);
  });

  test("it is done by itself after thirty days", async () => {
    const clock = createManualClock();
    const olga = createRepositoryPeer("Olga", random.fork("monthly"), clock);
    olga.found();
    const { renewal } = deviceOf(olga, clock);
    const first = olga.profile.deviceEncryption.publicKey;
    renewal.open();
    clock.advance(61_000);
    await Promise.resolve();
    await Promise.resolve();
    const second = olga.profile.deviceEncryption.publicKey;
    // The device was added in 1970 by the fixture's clock.
    expect(second).not.toEqual(first);
    clock.advance(29 * 24 * 3_600_000);
    await Promise.resolve();
    expect(olga.profile.deviceEncryption.publicKey).toEqual(second);
    clock.advance(3 * 24 * 3_600_000);
    await Promise.resolve();
    expect(olga.profile.deviceEncryption.publicKey).not.toEqual(second);
    renewal.stop();
  });
});
