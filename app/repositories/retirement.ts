import type { CoveredSession } from "../../protocol/checkpoint/checkpoint.ts";
import type { CryptoProvider } from "../../protocol/crypto/provider.ts";
import { ITEM_KINDS, readItem } from "../../protocol/entry/item.ts";
import { MAX_RETIRED, readRetirement } from "../../protocol/entry/retirement.ts";
import { bytesEqual, bytesToHex } from "../../protocol/kernel/bytes.ts";
import type { RandomSource } from "../../protocol/kernel/random.ts";
import { randomBelow } from "../../protocol/kernel/random.ts";
import { durationMs } from "../../protocol/kernel/time.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { Store, TopicRow } from "../ports/store.ts";
import { ENTRY_STATE } from "../ports/store.ts";
import { RESEAL_TOPICS } from "./epoch-keeper.ts";
import { unsealedRecipients } from "./epochs.ts";
import { decodeAclHeads } from "./integrate.ts";
import type { SliceQueue } from "../runtime/slices.ts";
import type { Repository } from "./repository.ts";
import type { RepositoryService } from "./repository-service.ts";
import { LINGERING_MS } from "./repository-service.ts";

/** Receipts for what checkpoints cover, and what proxies are told to delete because of them. */
export interface Retirement {
  /** A checkpoint of the current topic was counted. */
  readonly counted: (repository: Repository) => void;
  /** Tells proxies of everything that may go now; answers how many items that are. */
  readonly tell: (repository: Repository) => Promise<number>;
  /** Done every hour: looks at what others told, stands up for what is needed still, tells of what may go, and leaves old topics. */
  readonly tick: (repository: Repository) => void;
  readonly stop: () => void;
}

/** Members answer a checkpoint in turn, so that no burst says who is online. */
const SPREAD_MS = 600_000;
/**
 * Records that a receipt acknowledges at least, besides two for each device: receipts alone never call for receipts. What comes to
 * less waits for the grace.
 */
const LEAST_RECORDS = 32;
/** Fewer items are not worth one that names them, unless a person asks. */
const LEAST_ITEMS = 32;
/** data.md section 5: without receipts, covered entries may go after this. */
const GRACE_MS = 7 * 24 * 3_600_000;
/** A proxy has done by then what an item of kind 3 says. */
const TOLD_MS = 60 * 24 * 3_600_000;
/** A checkpoint that covers what is named comes with it, or within this. */
const PATIENCE_MS = 3_600_000;

export const createRetirement = (deps: {
  readonly store: Store;
  readonly crypto: CryptoProvider;
  readonly random: RandomSource;
  readonly clock: Clock;
  readonly log: Log;
  readonly slices: SliceQueue;
  readonly repositories: RepositoryService;
  /** What the counted checkpoints of the current topic cover. */
  readonly covered: (repository: Repository) => readonly CoveredSession[];
  /** Items are owed to proxies again. */
  readonly owed: () => void;
}): Retirement => {
  const { store, crypto, random, clock, log, slices, repositories } = deps;
  const timers = new Map<number, () => void>();
  /** Items of kind 3 that name what is needed still, and since when that is known. */
  const doubted = new Map<number, number>();

  const written = <T>(work: () => T): T | undefined => {
    const done = store.transaction(work, "soon");
    if (!done.ok) log.error("retirement not noted", { fault: done.error.type });
    return done.ok ? done.value : undefined;
  };

  const ownDevice = ({ n }: Repository): Uint8Array | undefined => store.repositories.ownSessions(n)[0]?.device;
  const readers = (repository: Repository): readonly Uint8Array[] =>
    repository.access.state().recipients.map(({ identifier }) => identifier);

  /** Says what checkpoints cover and is integrated here, when it is worth a record. */
  const acknowledge = (repository: Repository): void => {
    if (repositories.membership(repository) !== "active" || !repositories.canSpeak(repository)) return;
    const devices = readers(repository).length;
    if (devices < 2) return;
    const device = ownDevice(repository);
    const said = device === undefined ? undefined : store.checkpoints.receiptOf(repository.n, device);
    const news = deps
      .covered(repository)
      .map(({ sess, seq }) => ({ sess, seq, from: said?.get(bytesToHex(sess)) ?? -1 }))
      .filter(({ seq, from }) => seq > from);
    if (news.reduce((sum, { seq, from }) => sum + seq - from, 0) < 2 * devices + LEAST_RECORDS) return;
    const done = repositories.publishReceipt(
      repository,
      news.map(({ sess, seq }) => [sess, seq]),
    );
    if (!done.ok) log.error("receipt not written", { fault: done.error.type });
  };

  /** Up to where each covered session is at every device that reads. */
  const acknowledged = (repository: Repository): readonly (readonly [Uint8Array, number])[] => {
    const own = ownDevice(repository);
    const others = readers(repository).filter((device) => own === undefined || !bytesEqual(device, own));
    const receipts = others.map((device) => [device, store.checkpoints.receiptOf(repository.n, device)] as const);
    return deps.covered(repository).flatMap(({ sess, devSig, seq }) => {
      const key = bytesToHex(sess);
      const least = receipts.reduce(
        (seen, [device, receipt]) => (bytesEqual(device, devSig) ? seen : Math.min(seen, receipt.get(key) ?? -1)),
        seq,
      );
      return least < 0 ? [] : [[sess, least] as const];
    });
  };

  /** Tells proxies one item's worth at a time; answers how many items were named once nothing is left to tell. */
  const tellOf = (repository: Repository, atLeast: number, done: (told: number) => void): void => {
    const { topic } = repository.epoch;
    const now = clock.unix();
    let marks: ReturnType<typeof acknowledged> | undefined;
    let after = 0;
    let told = 0;
    let found: Uint8Array[] = [];
    /** Looks at as many rows as one item can name. */
    const step = (): boolean => {
      if (repository.epoch.topic !== topic || !repositories.mayCompact(repository)) return true;
      if (store.repositories.hasEquivocation(repository.n)) return true;
      if (!store.proxies.all().some(({ kind }) => kind === "own")) return true;
      // A proxy hides at once what is named: the checkpoint that has it is there first.
      if (store.checkpoints.isOwed(topic, atLeast > 1)) return true;
      marks ??= acknowledged(repository);
      const page = store.checkpoints.retirable(topic, marks, now - GRACE_MS, now - TOLD_MS, after, MAX_RETIRED);
      found.push(...page.oids);
      after = page.last ?? after;
      const isLast = page.last === undefined;
      if (found.length === 0 || (!isLast && found.length < MAX_RETIRED)) return isLast;
      if (told + found.length < atLeast) return true;
      const named = found.slice(0, MAX_RETIRED);
      const item = repositories.publishRetirement(repository, named);
      if (!item.ok) {
        log.error("retirement not published", { fault: item.error.type });
        return true;
      }
      told += named.length;
      found = found.slice(MAX_RETIRED);
      return isLast;
    };
    slices.add(() => {
      const isDone = step();
      if (isDone) done(told);
      return isDone;
    });
  };

  /** What proxies marked without need is pushed to them again, which takes the mark away. */
  const stand = (oids: readonly Uint8Array[]): void => {
    if (oids.length === 0) return;
    for (const { n } of store.proxies.all()) store.proxies.owe(n, oids);
  };

  /** What others told: noted when it is covered here as well, contradicted when it stays uncovered. */
  const settle = (topic: TopicRow): boolean => {
    let isOwed = false;
    for (const { n, oid } of store.entries.waiting(topic.n, ENTRY_STATE.opened)) {
      const wire = store.entries.wire(oid);
      const item = wire && readItem(crypto, wire);
      if (item === undefined || !item.ok || item.value.kind !== ITEM_KINDS.retire) continue;
      const oids = readRetirement(item.value.body);
      const needed = oids.ok ? store.checkpoints.setRetired(topic.n, oids.value) : [];
      const since = doubted.get(n) ?? clock.monotonic();
      if (needed.length > 0 && clock.monotonic() - since < PATIENCE_MS) {
        doubted.set(n, since);
        continue;
      }
      doubted.delete(n);
      if (needed.length > 0) log.warn("items were retired that nothing covers", { count: needed.length });
      stand(needed);
      isOwed ||= needed.length > 0;
      store.entries.setState(n, ENTRY_STATE.valid, null);
    }
    return isOwed;
  };

  const look = (repository: Repository): void => {
    const isOwed = written(() => {
      let owes = false;
      for (const topic of repositories.topics()) {
        if (topic.repository !== repository.n || topic.kind !== "epoch") continue;
        const uncovered = store.checkpoints.takeUncovered(topic.n);
        stand(uncovered);
        owes = settle(topic) || owes || uncovered.length > 0;
      }
      return owes;
    });
    if (isOwed === true) deps.owed();
  };

  /** Answers whether each device that reads has said something that builds on an epoch after the one of a topic, and was given its secret. */
  const knowledge = (repository: Repository): ((topicPk: Uint8Array) => boolean) => {
    const { n, access } = repository;
    const { epochs, recipients } = access.state();
    const own = ownDevice(repository);
    const saidBy = recipients
      .filter(({ identifier }) => own === undefined || !bytesEqual(identifier, own))
      .map(({ identifier }) => ({
        identifier,
        views: store.repositories.aclsOf(n, identifier).map(decodeAclHeads).filter(access.knows),
      }));
    const recent = epochs.slice(-RESEAL_TOPICS).map(({ op, body }) => ({
      id: op.id,
      without: new Set(unsealedRecipients(access, body.eid).map(({ identifier }) => bytesToHex(identifier))),
    }));
    return (topicPk) => {
      const ended = epochs.find(({ body }) => bytesEqual(body.topicPk, topicPk))?.op.id;
      if (ended === undefined) return false;
      const later = recent.filter(({ id }) => !bytesEqual(id, ended) && access.covers([id], [ended]));
      return saidBy.every(({ identifier, views }) =>
        later.some(
          ({ id, without }) =>
            !without.has(bytesToHex(identifier)) && views.some((heads) => access.covers(heads, [id])),
        ),
      );
    };
  };

  /** Topics of earlier epochs from which nothing late is taken any more: a checkpoint has what they hold, so proxies may forget them. */
  const closeTopics = (repository: Repository): void => {
    if (deps.covered(repository).length === 0) return;
    const lingering = repositories
      .topics()
      .filter(({ repository: of, state }) => of === repository.n && state === "lingering")
      .toSorted((a, b) => b.since - a.since);
    const old = lingering.filter(({ since }) => since + LINGERING_MS < clock.unix());
    if (old.length === 0) return;
    // Who was away for long follows one of these alone, and learns there of the keys that came since.
    const recent = new Set(
      [
        ...repository.access
          .state()
          .epochs.slice(-RESEAL_TOPICS)
          .map(({ body }) => body.topicPk),
        ...lingering.slice(0, RESEAL_TOPICS).map(({ pk }) => pk),
      ].map(bytesToHex),
    );
    const isKnown = knowledge(repository);
    const ended = old.filter(
      ({ n, pk }) =>
        (!recent.has(bytesToHex(pk)) || isKnown(pk)) &&
        store.entries.undelivered(n, 1).length === 0 &&
        store.checkpoints.containsAll(repository.epoch.topic, n),
    );
    if (ended.length === 0) return;
    written(() => {
      for (const { n, since } of ended) store.topics.setState(n, "history", since);
    });
    repositories.refreshTopics();
  };

  return {
    counted: (repository) => {
      if (timers.has(repository.n)) return;
      timers.set(
        repository.n,
        clock.after(durationMs(randomBelow(random, SPREAD_MS)), () => {
          timers.delete(repository.n);
          look(repository);
          acknowledge(repository);
          tellOf(repository, LEAST_ITEMS, () => undefined);
        }),
      );
    },
    tell: (repository) => {
      look(repository);
      return new Promise((resolve) => tellOf(repository, 1, resolve));
    },
    tick: (repository) => {
      look(repository);
      closeTopics(repository);
      tellOf(repository, LEAST_ITEMS, () => undefined);
    },
    stop: () => {
      for (const cancel of timers.values()) cancel();
      timers.clear();
    },
  };
};
