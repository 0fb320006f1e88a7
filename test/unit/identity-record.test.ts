import { expect, test } from "vitest";
import { createIdentityService } from "../../app/identities/identity-service.ts";
import type { Profile } from "../../app/identities/profile.ts";
import { decodeProfileSecret } from "../../app/identities/profile.ts";
import type { KeyVault } from "../../app/ports/key-vault.ts";
import { createSystemClock } from "../../main/adapters/system-clock.ts";
import { err, ok } from "../../protocol/kernel/result.ts";
import { filled, must, native } from "../support/data-fixtures.ts";
import { createSeededRandom } from "../support/seeded-random.ts";

test("a sealing key that the vault did not take is taken back, also before what is saved behind it", async () => {
  let kept: Uint8Array | undefined;
  let isFull = false;
  const vault: KeyVault = {
    status: async () => ok({ state: kept === undefined ? "absent" : "unlocked", protection: "file" }),
    create: async () => ok(null),
    unlock: async () => ok(null),
    lock: () => undefined,
    store: async (secret) => {
      if (isFull) {
        isFull = false;
        return err({ type: "DiskFull", message: "full" });
      }
      kept = secret.slice();
      return ok(null);
    },
    deriveKey: () => ok(filled(1, 32)),
    load: async () => ok(kept),
  };
  let profile: Profile | undefined;
  const identity = createIdentityService({
    vault,
    crypto: native,
    random: createSeededRandom("identity record"),
    clock: createSystemClock(),
    open: async (opened) => {
      profile = opened;
      return ok(null);
    },
  });
  must(await identity.create({ name: "Ada" }));
  const first = profile?.deviceEncryption.publicKey;
  const keyInVault = () =>
    native.dhKeyPair(decodeProfileSecret(kept ?? new Uint8Array())?.encryptionKey ?? new Uint8Array(32)).publicKey;
  expect(keyInVault()).toEqual(first);

  isFull = true;
  const [refused, named] = await Promise.all([
    identity.own.save({ encryptionKey: filled(7, 32) }),
    identity.own.save({ name: "Ada L." }),
  ]);
  expect(refused).toMatchObject({ ok: false, error: { type: "DiskFull" } });
  expect(named.ok).toBe(true);
  expect(profile?.deviceEncryption.publicKey).toEqual(first);
  expect(keyInVault()).toEqual(first);

  must(await identity.own.save({ encryptionKey: filled(7, 32) }));
  expect(profile?.deviceEncryption.publicKey).toEqual(native.dhKeyPair(filled(7, 32)).publicKey);
  expect(keyInVault()).toEqual(profile?.deviceEncryption.publicKey);
});
