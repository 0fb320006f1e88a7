import type { CryptoProvider } from "../../protocol/crypto/provider.ts";
import type { CheckedItem } from "../../protocol/entry/item.ts";
import { bytesEqual, bytesToHex } from "../../protocol/kernel/bytes.ts";
import type { RandomSource } from "../../protocol/kernel/random.ts";
import { randomBelow } from "../../protocol/kernel/random.ts";
import { durationMs } from "../../protocol/kernel/time.ts";
import type { HomeAnswer, HomeRequest, RecoveryKeys } from "../../protocol/pairing/recovery.ts";
import {
  deriveRecoveryKeys,
  openHomeGrant,
  openRecoveryMessage,
  sealHomeAnswer,
  sealHomeRequest,
} from "../../protocol/pairing/recovery.ts";
import type { OwnRecord } from "../identities/identity-service.ts";
import type { Profile } from "../identities/profile.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { Store, TopicRow } from "../ports/store.ts";
import type { RepositoryService } from "../repositories/repository-service.ts";
import type { DeviceLog } from "./device-log.ts";
import type { Home } from "./home.ts";
import { grantOf } from "./repository-grant.ts";

/** The topic on which own devices without a home repository ask for it and the others answer. */
export interface RecoveryService {
  /** Follows the topic, and asks when this device lacks its home. Called again when the seed becomes known. */
  readonly open: () => void;
  readonly received: (topic: TopicRow, item: CheckedItem) => void;
  readonly stop: () => void;
}

/** Devices answer in turn, so that one of them suffices. */
const SPREAD_MS = 1_500;
/** Requests answered in one run of the node; more are somebody's mischief with a stolen device. */
const MAX_REQUESTS = 256;

export const createRecoveryService = (deps: {
  readonly store: Store;
  readonly crypto: CryptoProvider;
  readonly random: RandomSource;
  readonly clock: Clock;
  readonly log: Log;
  readonly repositories: RepositoryService;
  readonly profile: Profile;
  readonly record: OwnRecord;
  readonly deviceLog: DeviceLog;
  readonly home: Home;
  readonly identityChanged: () => void;
}): RecoveryService => {
  const { store, crypto, random, clock, log, repositories, profile, record, deviceLog, home } = deps;
  let keys: RecoveryKeys | undefined;
  const requests = new Map<string, HomeRequest>();
  const answers = new Map<string, HomeAnswer>();
  const timers = new Map<string, () => void>();

  const topicOf = ({ topicKey }: RecoveryKeys): TopicRow | undefined => repositories.topicByPk(topicKey.publicKey);

  const follow = ({ topicKey, readKey }: RecoveryKeys): void => {
    if (repositories.topicByPk(topicKey.publicKey) !== undefined) return;
    const added = store.transaction(() =>
      store.topics.add({
        pk: topicKey.publicKey,
        repository: null,
        kind: "rendezvous",
        readKey,
        topicSeed: topicKey.seed,
        state: "current",
        since: clock.unix(),
      }),
    );
    if (added.ok) repositories.refreshTopics();
    else log.error("recovery topic not followed", { fault: added.error.type });
  };

  const isTrusted = (device: Uint8Array): boolean =>
    deviceLog.state().devices.get(bytesToHex(device))?.revoked === false;

  const publish = (item: CheckedItem): void => {
    const topic = keys === undefined ? undefined : topicOf(keys);
    const written = topic === undefined ? undefined : repositories.publish(topic, item);
    if (written?.ok === false) log.error("recovery message not stored", { fault: written.error.type });
  };

  const answer = (request: HomeRequest): void => {
    const id = bytesToHex(request.id);
    timers.delete(id);
    const repository = repositories.home();
    const device = deviceLog.state().devices.get(bytesToHex(request.devSig));
    if (keys === undefined || answers.has(id) || device === undefined || device.revoked) return;
    if (repository === undefined || repositories.membership(repository) !== "active") return;
    // First, so that what is granted already counts the device among its members.
    deviceLog.publish();
    const grant = grantOf(store, repository);
    if (grant === undefined) return;
    const granted = { name: profile.name, home: grant };
    const sealed = sealHomeAnswer(crypto, random, keys, profile.device, profile.ops, request, device.devEnc, granted);
    if (sealed === undefined) return;
    publish(sealed);
    take(sealed.wire);
  };

  const onRequest = (request: HomeRequest): void => {
    const id = bytesToHex(request.id);
    if (requests.has(id) || requests.size >= MAX_REQUESTS) return;
    requests.set(id, request);
    deviceLog.take(request.ops);
    if (bytesEqual(request.devSig, profile.device.publicKey)) return;
    const others = [...deviceLog.state().devices.values()].filter(({ revoked }) => !revoked).length > 2;
    const delay = durationMs(others ? randomBelow(random, SPREAD_MS) : 0);
    timers.set(
      id,
      clock.after(delay, () => answer(request)),
    );
  };

  const onAnswer = (received: HomeAnswer): void => {
    const id = bytesToHex(received.id);
    deviceLog.take(received.ops);
    const earlier = answers.get(id);
    if (!isTrusted(received.devSig) || (earlier !== undefined && isTrusted(earlier.devSig))) return;
    answers.set(id, received);
    // A stolen device may be the first to answer: what it said no longer counts once another tells that it was revoked.
    if (repositories.home() !== undefined && earlier === undefined) return;
    const grant = openHomeGrant(crypto, profile, received);
    if (grant === undefined) return;
    if (profile.name === "") {
      void record.save({ name: grant.name });
      deps.identityChanged();
    }
    const adopted = home.adopt(grant.home);
    if (!adopted.ok) log.error("home not taken in", { fault: adopted.error.type });
  };

  const take = (wire: Uint8Array): void => {
    const message = keys === undefined ? undefined : openRecoveryMessage(crypto, keys, profile.idRoot, wire);
    if (message?.type === "request") onRequest(message.request);
    else if (message?.type === "answer") onAnswer(message.answer);
  };

  return {
    open: () => {
      const seed = record.recoverySeed();
      if (seed === null || keys !== undefined) return;
      keys = deriveRecoveryKeys(crypto, seed);
      follow(keys);
      const topic = topicOf(keys);
      if (topic === undefined) return;
      for (const { oid } of store.entries.items(topic.n)) {
        const wire = store.entries.wire(oid);
        if (wire !== undefined) take(wire);
      }
      if (repositories.home() !== undefined || record.isFounder()) return;
      const isAsked = [...requests].some(
        ([id, { devSig }]) => bytesEqual(devSig, profile.device.publicKey) && !answers.has(id),
      );
      if (!isAsked) publish(sealHomeRequest(crypto, random, keys, profile.device, profile.ops));
    },
    received: (topic, item) => {
      if (keys !== undefined && bytesEqual(topic.pk, keys.topicKey.publicKey)) take(item.wire);
    },
    stop: () => {
      for (const cancel of timers.values()) cancel();
    },
  };
};
