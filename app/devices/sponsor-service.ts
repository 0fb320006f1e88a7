import type { CryptoProvider, SigningKey } from "../../protocol/crypto/provider.ts";
import { exhaustive } from "../../protocol/kernel/assert.ts";
import { bytesToHex } from "../../protocol/kernel/bytes.ts";
import { identityOpWire } from "../../protocol/identity/identity-op.ts";
import type { RandomSource } from "../../protocol/kernel/random.ts";
import type { Result } from "../../protocol/kernel/result.ts";
import { err, ok } from "../../protocol/kernel/result.ts";
import { durationMs } from "../../protocol/kernel/time.ts";
import { encodePairingMessage, readPairingMessage } from "../../protocol/pairing/messages.ts";
import type { PairingLink } from "../../protocol/pairing/pairing-link.ts";
import { parsePairingLink } from "../../protocol/pairing/pairing-link.ts";
import type { Sponsor, SponsorEffect, SponsorEvent } from "../../protocol/pairing/sponsor.ts";
import { createSponsor } from "../../protocol/pairing/sponsor.ts";
import type { ContractError } from "../contract/errors.ts";
import { contractError } from "../contract/errors.ts";
import type { DevicePairing } from "../contract/types.ts";
import type { OwnRecord } from "../identities/identity-service.ts";
import type { Profile } from "../identities/profile.ts";
import type { Clock } from "../ports/clock.ts";
import type { Link, Links } from "../ports/links.ts";
import type { Log } from "../ports/log.ts";
import type { DeviceLog } from "./device-log.ts";

/** Signs new devices in: this device's side of the pairing. */
export interface SponsorService {
  /** Connects to the new device behind a link; the digits follow in `list`. `phrase` where this device is no manager. */
  readonly add: (link: string, phrase: string | undefined) => Promise<Result<DevicePairing, ContractError>>;
  readonly list: () => readonly DevicePairing[];
  readonly approve: (id: string) => Result<DevicePairing, ContractError>;
  readonly decline: (id: string) => Result<DevicePairing, ContractError>;
  readonly stop: () => void;
}

interface Pairing {
  readonly id: string;
  readonly link: PairingLink;
  readonly connection: Link;
  readonly machine: Sponsor;
  /** Signs the new device in: this device, or the root out of the phrase. */
  readonly signer: SigningKey;
  state: DevicePairing["state"];
  check: string | null;
  cancel: () => void;
}

/** Two people, or one with two screens, compare digits within this time. */
const PATIENCE = durationMs(10 * 60_000);
const MAX_ADDRESSES = 8;

export const createSponsorService = (deps: {
  readonly links: Links;
  readonly crypto: CryptoProvider;
  readonly random: RandomSource;
  readonly clock: Clock;
  readonly log: Log;
  readonly profile: Profile;
  readonly record: OwnRecord;
  readonly deviceLog: DeviceLog;
  readonly listening: () => readonly string[];
  /** A device was signed in: it calls itself `name` and listens at `address`. */
  readonly added: (device: string, name: string, address: string) => void;
  readonly changed: () => void;
}): SponsorService => {
  const { links, crypto, random, clock, log, profile, record, deviceLog } = deps;
  const pairings = new Map<string, Pairing>();

  const describe = ({ id, link, state, check }: Pairing): DevicePairing => ({
    id,
    name: link.name,
    state,
    checkString: check,
  });

  const end = (pairing: Pairing, state: DevicePairing["state"]): void => {
    if (pairing.state !== "compare" && pairing.state !== "connecting" && pairing.state !== "approved") return;
    pairing.state = state;
    pairing.cancel();
    pairing.connection.close();
    deps.changed();
  };

  const run = (pairing: Pairing, event: SponsorEvent): void => {
    for (const effect of pairing.machine.handle(event)) apply(pairing, effect);
  };

  const apply = (pairing: Pairing, effect: SponsorEffect): void => {
    switch (effect.type) {
      case "send":
        pairing.connection.send(encodePairingMessage(effect.message), "urgent");
        return;
      case "compare":
        pairing.state = "compare";
        pairing.check = effect.check;
        deps.changed();
        return;
      case "certify":
        run(pairing, { type: "certified", certificate: certify(pairing) });
        return;
      case "done":
        end(pairing, "done");
        return;
      case "declined":
        end(pairing, "declined");
        return;
      case "violated":
        log.info("pairing broke a rule", { rule: effect.rule });
        end(pairing, "failed");
        return;
      default:
        exhaustive(effect);
    }
  };

  const certify = ({ link: { devSig, devEnc, name }, connection, signer }: Pairing) => {
    const manager = signer !== profile.device;
    deviceLog.author(signer, { type: "addDevice", devSig, devEnc, manager });
    deps.added(bytesToHex(devSig), name, connection.address);
    return {
      identityOps: profile.ops.map(identityOpWire),
      recoverySeed: record.recoverySeed(),
      addresses: deps.listening().slice(0, MAX_ADDRESSES),
    };
  };

  /** Who may sign a device in: this device as a manager, else the root. */
  const signerFor = (phrase: string | undefined): Result<SigningKey, ContractError> => {
    if (phrase !== undefined) return record.root(phrase);
    const own = deviceLog.state().devices.get(bytesToHex(profile.device.publicKey));
    return own?.manager === true && !own.revoked ? ok(profile.device) : err(contractError("PhraseRequired"));
  };

  const connect = async (addresses: readonly string[]): Promise<Result<Link, ContractError>> => {
    let failure = contractError("PeerUnreachable");
    for (const address of addresses) {
      const dialled = await links.dial(address);
      if (dialled.ok) return dialled;
      failure = contractError(dialled.error.type);
    }
    return err(failure);
  };

  const decide = (id: string, type: "approve" | "decline"): Result<DevicePairing, ContractError> => {
    const pairing = pairings.get(id);
    if (pairing === undefined || (pairing.state !== "compare" && pairing.state !== "approved"))
      return err(contractError("PairingNotFound"));
    if (type === "approve") pairing.state = "approved";
    run(pairing, { type });
    deps.changed();
    return ok(describe(pairing));
  };

  return {
    add: async (pasted, phrase) => {
      const link = parsePairingLink(pasted);
      if (!link.ok) return err(contractError("BadPairingLink"));
      const signer = signerFor(phrase);
      if (!signer.ok) return signer;
      const connected = await connect(link.value.addresses);
      if (!connected.ok) return connected;
      const connection = connected.value;
      const { idRoot, device, name } = profile;
      const pairing: Pairing = {
        id: bytesToHex(random.bytes(16)),
        link: link.value,
        connection,
        machine: createSponsor({
          crypto,
          link: link.value,
          channel: connection.handshakeHash,
          nonce: random.bytes(32),
          device,
          statement: { idRoot, devSig: device.publicKey, identityOps: profile.ops.map(identityOpWire), name },
        }),
        signer: signer.value,
        state: "connecting",
        check: null,
        cancel: () => undefined,
      };
      pairings.set(pairing.id, pairing);
      pairing.cancel = clock.after(PATIENCE, () => end(pairing, "failed"));
      connection.start({
        message: (bytes) => {
          const message = readPairingMessage(bytes);
          if (message.ok) run(pairing, { type: "received", message: message.value });
          else connection.close();
        },
        closed: () => end(pairing, "failed"),
      });
      run(pairing, { type: "opened" });
      deps.changed();
      return ok(describe(pairing));
    },
    list: () => [...pairings.values()].map(describe),
    approve: (id) => decide(id, "approve"),
    decline: (id) => decide(id, "decline"),
    stop: () => {
      for (const pairing of pairings.values()) {
        pairing.cancel();
        pairing.connection.close();
      }
    },
  };
};
