import type { CryptoProvider, DhKeyPair } from "../../protocol/crypto/provider.ts";
import { bytesEqual, bytesToHex } from "../../protocol/kernel/bytes.ts";
import type { RandomSource } from "../../protocol/kernel/random.ts";
import { randomBelow } from "../../protocol/kernel/random.ts";
import type { Result } from "../../protocol/kernel/result.ts";
import { err, ok } from "../../protocol/kernel/result.ts";
import { durationMs } from "../../protocol/kernel/time.ts";
import type { ContractError } from "../contract/errors.ts";
import { contractError } from "../contract/errors.ts";
import type { OwnRecord } from "../identities/identity-service.ts";
import { storeFailure } from "../identities/identity-service.ts";
import type { Profile } from "../identities/profile.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { Store } from "../ports/store.ts";
import type { DeviceLog } from "./device-log.ts";

/**
 * Gives this device another key for what is sealed to it. Whoever had copied the old one opens nothing that is sealed afterwards, as
 * every notebook changes its keys as well (data.md sections 3 and 7).
 */
export interface KeyRenewal {
  readonly open: () => void;
  readonly renew: () => Promise<Result<null, ContractError>>;
  /** The log says that another key of this device is the current one: the vault is an older copy, or a renewal broke off. */
  readonly check: () => void;
  readonly stop: () => void;
}

/** data.md section 3: monthly. */
const PERIOD_MS = 30 * 24 * 3_600_000;
const DAY_MS = 24 * 3_600_000;
/** The first look comes when the window has been painted and other devices may have told what they know. */
const FIRST_LOOK_MS = 60_000;
/** Members who were away for as long as old topics are read may still seal to the key before. */
const KEPT_MS = 3 * PERIOD_MS;
const EARLIER = "sealing-key/";

/** When the device's present key was made, by its own word, Unix milliseconds; 0 for an unknown device. */
export const keySince = (profile: Pick<Profile, "ops">, device: string): number =>
  profile.ops.reduce((latest, { body, ts }) => {
    const isOfDevice = (body.type === "addDevice" || body.type === "rekeyDevice") && bytesToHex(body.devSig) === device;
    return isOfDevice ? Math.max(latest, ts * 1000) : latest;
  }, 0);

export const createKeyRenewal = (deps: {
  readonly store: Store;
  readonly crypto: CryptoProvider;
  readonly random: RandomSource;
  readonly clock: Clock;
  readonly log: Log;
  readonly profile: Profile;
  readonly record: OwnRecord;
  readonly deviceLog: DeviceLog;
}): KeyRenewal => {
  const { store, crypto, random, clock, log, profile, record, deviceLog } = deps;
  const own = bytesToHex(profile.device.publicKey);
  let timer: (() => void) | undefined;
  let working: Promise<Result<null, ContractError>> | undefined;

  const ownDevice = () => {
    const device = deviceLog.state().devices.get(own);
    return device === undefined || device.revoked ? undefined : device;
  };
  const isCurrent = (): boolean => {
    const device = ownDevice();
    return device === undefined || bytesEqual(device.devEnc, profile.deviceEncryption.publicKey);
  };
  /** Tells everybody that the key this device holds is the one to seal to. */
  const publish = (): void => {
    const n = profile.ops.reduce(
      (largest, { body }) =>
        body.type === "rekeyDevice" && bytesToHex(body.devSig) === own ? Math.max(largest, body.n) : largest,
      0,
    );
    const { publicKey } = profile.deviceEncryption;
    deviceLog.author(profile.device, {
      type: "rekeyDevice",
      devSig: profile.device.publicKey,
      devEnc: publicKey,
      n: n + 1,
    });
  };

  const loadEarlier = (): void => {
    const since = clock.unix() - KEPT_MS;
    profile.earlierEncryption = store.meta.list(EARLIER).flatMap(({ key, value }): readonly DhKeyPair[] => {
      const replacedAt = Number(key.slice(EARLIER.length));
      return value.length === 32 && replacedAt >= since ? [crypto.dhKeyPair(value)] : [];
    });
  };

  const keepEarlier = (): Result<null, ContractError> => {
    const now = clock.unix();
    const written = store.transaction(() => {
      for (const { key } of store.meta.list(EARLIER))
        if (Number(key.slice(EARLIER.length)) < now - KEPT_MS) store.meta.set(key, new Uint8Array(0));
      store.meta.set(EARLIER + String(now), profile.deviceEncryption.privateKey);
    });
    if (!written.ok) return err(storeFailure(written.error));
    loadEarlier();
    return ok(null);
  };

  const renewNow = async (): Promise<Result<null, ContractError>> => {
    if (ownDevice() === undefined)
      return err(contractError("NotAllowed", "This device was removed from your identity: it has no keys to change."));
    const kept = keepEarlier();
    if (!kept.ok) return kept;
    const before = profile.deviceEncryption.publicKey;
    // Durable before anybody seals to it.
    const saved = await record.save({ encryptionKey: random.bytes(32) });
    if (!saved.ok) return saved;
    if (bytesEqual(before, profile.deviceEncryption.publicKey)) return err(contractError("KeychainUnavailable"));
    publish();
    return ok(null);
  };
  const renew = (): Promise<Result<null, ContractError>> => {
    working ??= renewNow().finally(() => {
      working = undefined;
    });
    return working;
  };

  const look = (): void => {
    timer = clock.after(durationMs(DAY_MS + randomBelow(random, DAY_MS / 4)), look);
    if (ownDevice() === undefined || keySince(profile, own) + PERIOD_MS > clock.unix()) return;
    void renew().then((renewed) => {
      if (!renewed.ok) log.warn("own key not renewed", { fault: renewed.error.type });
    });
  };

  return {
    open: () => {
      loadEarlier();
      timer = clock.after(durationMs(FIRST_LOOK_MS), look);
    },
    renew,
    check: () => {
      if (working === undefined && !isCurrent()) publish();
    },
    stop: () => timer?.(),
  };
};
