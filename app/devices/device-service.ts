import { decodeUtf8, encodeUtf8 } from "../../protocol/codec/utf8.ts";
import type { CryptoProvider, SigningKey } from "../../protocol/crypto/provider.ts";
import { bytesEqual, bytesToHex } from "../../protocol/kernel/bytes.ts";
import type { RandomSource } from "../../protocol/kernel/random.ts";
import type { Result } from "../../protocol/kernel/result.ts";
import { err, ok } from "../../protocol/kernel/result.ts";
import { durationMs } from "../../protocol/kernel/time.ts";
import { recoverySeed } from "../../protocol/pairing/recovery.ts";
import type { CheckedItem } from "../../protocol/entry/item.ts";
import type { ContractError } from "../contract/errors.ts";
import { contractError } from "../contract/errors.ts";
import type { CallName } from "../contract/contract.ts";
import type { Handlers } from "../contract/handlers.ts";
import type { Device } from "../contract/types.ts";
import type { OwnRecord } from "../identities/identity-service.ts";
import type { Profile } from "../identities/profile.ts";
import type { PeerService } from "../peers/peer-service.ts";
import type { Clock } from "../ports/clock.ts";
import type { Links } from "../ports/links.ts";
import type { Log } from "../ports/log.ts";
import type { Store, TopicRow } from "../ports/store.ts";
import type { DocumentService } from "../repositories/document-service.ts";
import type { Repository } from "../repositories/repository.ts";
import type { RepositoryService } from "../repositories/repository-service.ts";
import type { MemberService } from "../sharing/member-service.ts";
import { createDeviceLog } from "./device-log.ts";
import { createKeyRenewal, keySince } from "./key-renewal.ts";
import { createHome } from "./home.ts";
import { createRecoveryService } from "./recovery-service.ts";
import { createSponsorService } from "./sponsor-service.ts";

/** The devices of the own identity. */
export interface DeviceService {
  readonly open: () => void;
  /** Keeps the name that this device was signed in by. */
  readonly callMyself: (name: string) => void;
  readonly handlers: Pick<Handlers, Extract<CallName, `devices.${string}`>>;
  /** Tells whether a repository is the home repository, which nobody sees as a notebook. */
  readonly isHome: (repository: Repository) => boolean;
  readonly accessChanged: (repository: Repository) => void;
  /** The document that describes a repository was read again. */
  readonly indexed: (repository: Repository) => void;
  readonly notebooksChanged: () => void;
  /** Notes that this device does not want a notebook any more, whatever the own devices list of it until now. */
  readonly forget: (repository: Repository) => Result<null, ContractError>;
  readonly received: (topic: TopicRow, item: CheckedItem) => void;
  /** A device proved itself on a connection, or a connection to it ended. */
  readonly seen: (device: Uint8Array) => void;
  readonly stop: () => Promise<void>;
}

/** Changes are told together: a pull of many ops is one line on the screen. */
const EVENT_DELAY = durationMs(100);
/** Name this device goes by until the home repository names it. */
const OWN_NAME = "device-name";
const seenKey = (device: string): string => `seen/${device}`;

export const createDeviceService = (ports: {
  readonly store: Store;
  readonly crypto: CryptoProvider;
  readonly random: RandomSource;
  readonly clock: Clock;
  readonly log: Log;
  readonly links: Links;
  readonly repositories: RepositoryService;
  readonly documents: DocumentService;
  readonly members: MemberService;
  readonly peers: PeerService;
  readonly profile: Profile;
  readonly record: OwnRecord;
  readonly deviceName: string;
  /** What else own devices keep together in the home repository. */
  readonly news: (known: Readonly<Record<string, string>>) => ReadonlyMap<string, string>;
  readonly take: (entries: Readonly<Record<string, string>>) => void;
  readonly identityChanged: () => void;
  readonly notebooksChanged: () => void;
  readonly changed: () => void;
}): DeviceService => {
  const { store, clock, log, repositories, peers, profile, record } = ports;
  let changedTimer: (() => void) | undefined;
  let isStopped = false;
  const deps = {
    ...ports,
    changed: (): void => {
      if (isStopped) return;
      changedTimer ??= clock.after(EVENT_DELAY, () => {
        changedTimer = undefined;
        ports.changed();
      });
    },
  };
  const deviceLog = createDeviceLog(deps);
  const ownName = (): string => {
    const stored = store.meta.get(OWN_NAME);
    return (stored === undefined ? undefined : decodeUtf8(stored)) ?? deps.deviceName;
  };
  const home = createHome({ ...deps, ownName, isPublished: deviceLog.isPublished });
  const renewal = createKeyRenewal({ ...deps, deviceLog });
  const recovery = createRecoveryService({ ...deps, deviceLog, home });
  const sponsors = createSponsorService({
    ...deps,
    deviceLog,
    listening: peers.listening,
    added: (device, name, address) => {
      home.refresh();
      void home.nameDevice(device, name).then((named) => {
        if (!named.ok) log.info("device not named", { fault: named.error.type });
      });
      peers.offer(address);
    },
  });

  const isHome = (repository: Repository): boolean => repositories.home() === repository;

  const lastSeen = (device: string): number | null => {
    const stored = store.meta.get(seenKey(device));
    return stored === undefined ? null : Number(new DataView(stored.buffer, stored.byteOffset).getBigUint64(0));
  };

  const list = (): readonly Device[] => {
    const names = home.deviceNames();
    const connected = peers.devices();
    const added = new Map(
      profile.ops.flatMap(({ body, ts }) =>
        body.type === "addDevice" ? [[bytesToHex(body.devSig), ts * 1000] as const] : [],
      ),
    );
    return [...deviceLog.state().devices].map(([id, { devSig, manager, revoked }]) => {
      const self = bytesEqual(devSig, profile.device.publicKey);
      const online = self || connected.some((key) => bytesEqual(key, devSig));
      return {
        id,
        name: names[id] ?? (self ? ownName() : `Device ${id.slice(0, 8)}`),
        self,
        manager,
        state: revoked ? "revoked" : "active",
        online: online && !revoked,
        lastSeen: online ? clock.unix() : lastSeen(id),
        addedAt: added.get(id) ?? 0,
        keySince: keySince(profile, id),
      };
    });
  };

  const signerFor = (target: string, phrase: string | undefined): Result<SigningKey, ContractError> => {
    const { devices } = deviceLog.state();
    const own = devices.get(bytesToHex(profile.device.publicKey));
    if (phrase === undefined) {
      const mayAlone = own?.manager === true && !own.revoked && devices.get(target)?.manager === false;
      return mayAlone ? ok(profile.device) : err(contractError("PhraseRequired"));
    }
    const root = record.root(phrase);
    if (root.ok && record.recoverySeed() === null) {
      // Profiles from before there was a recovery topic learn its seed the first time the phrase is at hand.
      void record.save({ recoverySeed: recoverySeed(deps.crypto, root.value.seed) });
      recovery.open();
    }
    return root;
  };

  const rename = async (device: string, name: string): Promise<Result<readonly Device[], ContractError>> => {
    if (!deviceLog.state().devices.has(device)) return err(contractError("DeviceNotFound"));
    const named = await home.nameDevice(device, name);
    return named.ok ? ok(list()) : named;
  };

  /** Ends a device for good, in every notebook. */
  const revoke = (device: string, phrase: string | undefined): Result<readonly Device[], ContractError> => {
    const target = deviceLog.state().devices.get(device);
    if (target === undefined) return err(contractError("DeviceNotFound"));
    const { devSig } = target;
    if (bytesEqual(devSig, profile.device.publicKey))
      return err(
        contractError("NotAllowed", "A device cannot remove itself. Do it on another one, or with your phrase."),
      );
    if (target.revoked) return ok(list());
    const signer = signerFor(device, phrase);
    if (!signer.ok) return signer;
    deviceLog.author(signer.value, { type: "revokeDevice", devSig });
    home.refresh();
    return ok(list());
  };

  return {
    open: () => {
      home.open();
      recovery.open();
      for (const repository of repositories.all()) deviceLog.accessChanged(repository);
      renewal.open();
      renewal.check();
    },
    callMyself: (name) => {
      const written = store.transaction(() => store.meta.set(OWN_NAME, encodeUtf8(name)));
      if (!written.ok) log.warn("device name not kept", { fault: written.error.type });
    },
    handlers: {
      "devices.list": async () => ok(list()),
      "devices.add": ({ link, phrase }) => sponsors.add(link, phrase),
      "devices.pairings": async () => ok(sponsors.list()),
      "devices.approve": async ({ id }) => sponsors.approve(id),
      "devices.decline": async ({ id }) => sponsors.decline(id),
      "devices.rename": ({ device, name }) => rename(device, name),
      "devices.renewKey": async () => {
        const renewed = await renewal.renew();
        return renewed.ok ? ok(list()) : renewed;
      },
      "devices.revoke": async ({ device, phrase }) => revoke(device, phrase),
    },
    isHome,
    accessChanged: (repository) => {
      deviceLog.accessChanged(repository);
      renewal.check();
      home.refresh();
    },
    indexed: (repository) => {
      if (isHome(repository)) home.indexed();
    },
    notebooksChanged: () => home.refresh(),
    forget: home.forget,
    received: recovery.received,
    seen: (device) => {
      const id = bytesToHex(device);
      if (!deviceLog.state().devices.has(id)) return;
      const bytes = new Uint8Array(8);
      new DataView(bytes.buffer).setBigUint64(0, BigInt(clock.unix()));
      const written = store.transaction(() => store.meta.set(seenKey(id), bytes), "soon");
      if (!written.ok) log.warn("last seen not kept", { fault: written.error.type });
      deps.changed();
    },
    stop: async () => {
      isStopped = true;
      changedTimer?.();
      deviceLog.stop();
      renewal.stop();
      recovery.stop();
      sponsors.stop();
      await home.stop();
    },
  };
};
