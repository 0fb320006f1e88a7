import type { CryptoProvider } from "../../protocol/crypto/provider.ts";
import { exhaustive } from "../../protocol/kernel/assert.ts";
import type { RandomSource } from "../../protocol/kernel/random.ts";
import type { Result } from "../../protocol/kernel/result.ts";
import { err, ok } from "../../protocol/kernel/result.ts";
import { durationMs } from "../../protocol/kernel/time.ts";
import { encodePairingMessage, readPairingMessage } from "../../protocol/pairing/messages.ts";
import type { Adoption, Newcomer, NewcomerEffect, NewcomerEvent } from "../../protocol/pairing/newcomer.ts";
import { createNewcomer } from "../../protocol/pairing/newcomer.ts";
import { formatPairingLink } from "../../protocol/pairing/pairing-link.ts";
import type { ContractError } from "../contract/errors.ts";
import { contractError } from "../contract/errors.ts";
import type { PairingStatus } from "../contract/types.ts";
import type { DeviceKeys } from "../identities/identity-service.ts";
import type { Clock } from "../ports/clock.ts";
import type { Link } from "../ports/links.ts";
import type { Log } from "../ports/log.ts";

/** An install without an identity that waits to become a device of one. */
export interface NewcomerService {
  readonly start: (deviceName: string, passphrase: string | undefined) => PairingStatus;
  readonly status: () => PairingStatus;
  readonly confirm: () => Result<PairingStatus, ContractError>;
  readonly cancel: () => PairingStatus;
  /** Takes a connection; false when nobody is expected. */
  readonly accept: (link: Link) => boolean;
}

interface Attempt {
  readonly keys: DeviceKeys;
  readonly secret: Uint8Array;
  readonly link: string;
  readonly passphrase: string | undefined;
  readonly deviceName: string;
  readonly cancelTimer: () => void;
  /** Connections that knew the link: each is one guess at the digits. */
  tries: number;
  connection: Link | undefined;
  machine: Newcomer | undefined;
  state: PairingStatus["state"];
  check: string | null;
  name: string | null;
}

const PATIENCE = durationMs(15 * 60_000);
const MAX_TRIES = 16;
const MAX_ADDRESSES = 8;
/** A connection that does not say that it knows the link makes room for the next one. */
const HELLO_TIME = durationMs(10_000);
const IDLE: PairingStatus = { state: "idle", link: null, checkString: null, name: null };

export const createNewcomerService = (deps: {
  readonly crypto: CryptoProvider;
  readonly random: RandomSource;
  readonly clock: Clock;
  readonly log: Log;
  readonly addresses: () => readonly string[];
  /** Makes the identity this install's own and opens it. */
  readonly adopt: (
    adoption: Adoption,
    keys: DeviceKeys,
    passphrase: string | undefined,
    deviceName: string,
  ) => Promise<Result<unknown, ContractError>>;
  readonly changed: () => void;
}): NewcomerService => {
  const { crypto, random, clock, log } = deps;
  let attempt: Attempt | undefined;

  const status = (): PairingStatus => {
    if (attempt === undefined) return IDLE;
    const { state, link, check, name } = attempt;
    return { state, link, checkString: check, name };
  };

  const drop = (current: Attempt, connection: Link): void => {
    if (current.connection !== connection) return;
    current.connection = undefined;
    current.machine = undefined;
    current.check = null;
    current.name = null;
    if (current.state === "compare" || current.state === "confirmed") current.state = "waiting";
    deps.changed();
  };

  const end = (current: Attempt, state: PairingStatus["state"]): void => {
    current.state = state;
    current.cancelTimer();
    deps.changed();
  };

  const run = (current: Attempt, connection: Link, event: NewcomerEvent): void => {
    for (const effect of current.machine?.handle(event) ?? []) apply(current, connection, effect);
  };

  const apply = (current: Attempt, connection: Link, effect: NewcomerEffect): void => {
    switch (effect.type) {
      case "send":
        connection.send(encodePairingMessage(effect.message), "urgent");
        return;
      case "compare":
        current.state = "compare";
        current.check = effect.check;
        current.name = effect.name;
        deps.changed();
        return;
      case "certified":
        void adopt(current, connection, effect.adoption);
        return;
      case "declined":
        end(current, "declined");
        connection.close();
        return;
      case "violated":
        log.info("pairing broke a rule", { rule: effect.rule });
        drop(current, connection);
        connection.close();
        return;
      default:
        exhaustive(effect);
    }
  };

  const adopt = async (current: Attempt, connection: Link, adoption: Adoption): Promise<void> => {
    const adopted = await deps.adopt(adoption, current.keys, current.passphrase, current.deviceName);
    if (!adopted.ok) {
      log.error("identity not adopted", { fault: adopted.error.type });
      end(current, "failed");
      connection.close();
      return;
    }
    run(current, connection, { type: "stored" });
    end(current, "done");
  };

  return {
    start: (deviceName, passphrase) => {
      attempt?.cancelTimer();
      attempt?.connection?.close();
      const secret = random.bytes(16);
      const keys = { deviceSeed: random.bytes(32), encryptionKey: random.bytes(32) };
      const link = formatPairingLink({
        secret,
        devSig: crypto.signingKey(keys.deviceSeed).publicKey,
        devEnc: crypto.dhKeyPair(keys.encryptionKey).publicKey,
        addresses: deps.addresses().slice(0, MAX_ADDRESSES),
        name: deviceName,
      });
      const current: Attempt = {
        keys,
        secret,
        link,
        passphrase,
        deviceName,
        cancelTimer: clock.after(PATIENCE, () => {
          current.connection?.close();
          end(current, "failed");
        }),
        tries: 0,
        connection: undefined,
        machine: undefined,
        state: "waiting",
        check: null,
        name: null,
      };
      attempt = current;
      deps.changed();
      return status();
    },
    status,
    confirm: () => {
      if (attempt?.state !== "compare" || attempt.connection === undefined)
        return err(contractError("PairingNotFound"));
      attempt.state = "confirmed";
      run(attempt, attempt.connection, { type: "confirm" });
      deps.changed();
      return ok(status());
    },
    cancel: () => {
      const current = attempt;
      attempt = undefined;
      if (current !== undefined) {
        current.cancelTimer();
        if (current.connection !== undefined) {
          run(current, current.connection, { type: "decline" });
          current.connection.close();
        }
      }
      deps.changed();
      return status();
    },
    accept: (link) => {
      const current = attempt;
      if (current?.state !== "waiting" || current.connection !== undefined || current.tries >= MAX_TRIES) return false;
      const { keys, secret } = current;
      current.connection = link;
      current.machine = createNewcomer({
        crypto,
        secret,
        channel: link.handshakeHash,
        nonce: random.bytes(32),
        device: crypto.signingKey(keys.deviceSeed),
        deviceEncryption: crypto.dhKeyPair(keys.encryptionKey),
      });
      const cancel = clock.after(HELLO_TIME, () => {
        if (current.machine?.state() === "waiting") link.close();
      });
      link.start({
        message: (bytes) => {
          const message = readPairingMessage(bytes);
          if (!message.ok) link.close();
          else if (current.connection === link) {
            if (message.value.type === "hello") current.tries++;
            run(current, link, { type: "received", message: message.value });
          }
        },
        closed: () => {
          cancel();
          drop(current, link);
        },
      });
      return true;
    },
  };
};
