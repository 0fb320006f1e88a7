import type { Checkpoint, CoveredSession, NamedBundle } from "../../protocol/checkpoint/checkpoint.ts";
import { encodeCheckpoint, readCheckpoint } from "../../protocol/checkpoint/checkpoint.ts";
import type { CryptoProvider } from "../../protocol/crypto/provider.ts";
import type { CheckedItem } from "../../protocol/entry/item.ts";
import { ITEM_KINDS, openItem, readItem } from "../../protocol/entry/item.ts";
import type { RecordHeader } from "../../protocol/entry/record.ts";
import { readRecord } from "../../protocol/entry/record.ts";
import { bytesEqual, bytesToHex, compareBytes } from "../../protocol/kernel/bytes.ts";
import type { RandomSource } from "../../protocol/kernel/random.ts";
import { randomBelow } from "../../protocol/kernel/random.ts";
import { ok } from "../../protocol/kernel/result.ts";
import { durationMs } from "../../protocol/kernel/time.ts";
import type { CompactedItem, SessionRange } from "../ports/checkpoint-store.ts";
import type { Clock } from "../ports/clock.ts";
import type { Compactor, PackedSession } from "../ports/compactor.ts";
import type { Log } from "../ports/log.ts";
import type { Store, TopicRow } from "../ports/store.ts";
import { ENTRY_STATE } from "../ports/store.ts";
import type { SliceQueue } from "../runtime/slices.ts";
import type { Repository } from "./repository.ts";
import type { RepositoryService } from "./repository-service.ts";
import { createRetirement } from "./retirement.ts";

/** Makes checkpoints when they are due, takes those of others, and forgets what they cover. */
export interface CheckpointService {
  /** Looks at what is stored; called once, when the repositories are open. */
  readonly open: () => void;
  /** An item was stored: an entry makes the tail longer, a checkpoint or bundle may complete one. */
  readonly stored: (topic: TopicRow, item: CheckedItem, isOwn: boolean) => void;
  /** Rights or topics changed. */
  readonly accessChanged: (repository: Repository) => void;
  /** Covers everything that is not covered yet; answers whether everything is. */
  readonly make: (repository: Repository) => Promise<boolean>;
  /** Tells proxies which items they need no more; answers how many. */
  readonly retire: (repository: Repository) => Promise<number>;
  /** Whether all records of the current topic but a short tail are in a checkpoint of it. */
  readonly isCovered: (repository: Repository) => boolean;
  readonly stop: () => void;
}

/** data.md section 5: a checkpoint is due after so many entries, bytes, or this long. */
const DUE_ENTRIES = 256;
const DUE_BYTES = 512 << 10;
/**
 * Entries larger than this on average are read as fast as they come out of a bundle, or faster: what a checkpoint saves is work for each entry
 * (measured: 1 500 entries of 860 bytes in a third of the time, 100 000 changes in entries of many kilobytes in one and a half times).
 */
const MAX_MEAN_BYTES = 4_096;
const DUE_AGE_MS = 7 * 24 * 3_600_000;
/** Who crosses a threshold waits up to this, the others up to that, and all look again whether somebody was faster. */
const OWN_SPREAD_MS = 30_000;
const OTHERS_SPREAD_MS = 570_000;
/** What is covered is kept as entries this long, for those who were away and for who made them to see that others have them. */
const RETIRE_AGE_MS = 7 * 24 * 3_600_000;
const RETIRE_EVERY = durationMs(3_600_000);
const RETIRE_AT_ONCE = 64;
/** Checkpoints of a topic that are offered to others: the newest, and the one before in case its author turns out to be none. */
const OFFERED_CHECKPOINTS = 2;
/** Bytes of ACL ops in a checkpoint; what exceeds it stands in the bundles alone. */
const MAX_OPS_BYTES = 1 << 20;

const NO_TAIL = { entries: 0, bytes: 0, since: null } as const;
/** What is there at a start is counted when nobody waits for the start any more. */
const FIRST_COUNT = durationMs(60_000);
/** Set to `off`: this device makes checkpoints only when it is told to. */
const SETTING = "checkpoints";

interface Known {
  readonly item: CompactedItem;
  readonly header: RecordHeader;
  readonly checkpoint: Checkpoint;
  /** Records it covers. */
  readonly size: number;
}

interface Watch {
  /** Of this topic, as far as is known. */
  topic: number;
  tail: { entries: number; bytes: number; since: number | null };
  timer: (() => void) | undefined;
  /** Something arrived that may make a checkpoint complete. */
  isDirty: boolean;
  isBusy: boolean;
  /** Called when it is not busy any more. */
  readonly idle: (() => void)[];
}

export const createCheckpointService = (deps: {
  readonly store: Store;
  readonly crypto: CryptoProvider;
  readonly random: RandomSource;
  readonly clock: Clock;
  readonly log: Log;
  readonly slices: SliceQueue;
  readonly compactor: Compactor;
  readonly repositories: RepositoryService;
  /** What a topic offers to others has become less. */
  readonly covered: (topic: number) => void;
  /** Items are owed to proxies again. */
  readonly owed: () => void;
}): CheckpointService => {
  const { store, crypto, random, clock, log, slices, compactor, repositories } = deps;
  const watches = new Map<number, Watch>();
  /** Opened checkpoints by row. */
  const opened = new Map<number, Known>();
  let retiring: (() => void) | undefined;
  let counting: (() => void) | undefined;
  let stopped = false;

  const topicOf = (n: number): TopicRow | undefined => repositories.topics().find((topic) => topic.n === n);

  const watchOf = (repository: Repository): Watch => {
    let watch = watches.get(repository.n);
    if (watch === undefined) {
      watch = {
        topic: repository.epoch.topic,
        tail: { ...NO_TAIL },
        timer: undefined,
        isDirty: false,
        isBusy: false,
        idle: [],
      };
      watches.set(repository.n, watch);
    }
    if (watch.topic !== repository.epoch.topic) {
      watch.topic = repository.epoch.topic;
      watch.tail = { ...NO_TAIL };
    }
    return watch;
  };

  /** Counts the tail anew, beside this thread. */
  const recount = async (repository: Repository): Promise<void> => {
    const { topic } = watchOf(repository);
    const tail = await compactor.tail(topic);
    const watch = watchOf(repository);
    if (tail !== undefined && watch.topic === topic) watch.tail = { ...tail };
  };

  const openCheckpoint = (repository: Repository, item: CompactedItem): Known | undefined => {
    const known = opened.get(item.n);
    if (known !== undefined) return known;
    const wire = store.entries.wire(item.oid);
    const topic = topicOf(item.topic);
    const read = wire && readItem(crypto, wire);
    if (topic === undefined || read === undefined || !read.ok) return undefined;
    // Both signatures were checked before the item was stored.
    const plaintext = openItem(crypto, read.value as CheckedItem, topic.readKey);
    const record = plaintext.ok
      ? readRecord(crypto, plaintext.value, { rid: repository.rid, gen: item.gen })
      : plaintext;
    const checkpoint = record.ok ? readCheckpoint(record.value.payload) : record;
    if (!record.ok || !checkpoint.ok) return undefined;
    const size = checkpoint.value.sessions.reduce((sum, { seq }) => sum + seq + 1, 0);
    const entry: Known = { item, header: record.value.header, checkpoint: checkpoint.value, size };
    opened.set(item.n, entry);
    return entry;
  };

  const byOid = (items: readonly CompactedItem[]): ReadonlyMap<string, CompactedItem> =>
    new Map(items.map((item) => [bytesToHex(item.oid), item]));

  /** Counted checkpoints of a topic, the one that covers most first. */
  const countedIn = (repository: Repository, topic: number): readonly Known[] =>
    store.checkpoints
      .items(repository.n)
      .flatMap((item) => {
        if (item.kind !== ITEM_KINDS.checkpoint || item.state !== ENTRY_STATE.valid || item.topic !== topic) return [];
        return openCheckpoint(repository, item) ?? [];
      })
      .toSorted((a, b) => b.size - a.size || b.item.gen - a.item.gen || compareBytes(a.item.oid, b.item.oid));

  const setState = (item: CompactedItem, state: (typeof ENTRY_STATE)[keyof typeof ENTRY_STATE]): void => {
    const written = store.transaction(() => store.entries.setState(item.n, state, null), "soon");
    if (!written.ok) log.error("checkpoint not judged", { fault: written.error.type });
  };

  /** Recomputes what the counted checkpoints of a topic cover and drops those that others replace. */
  const settle = (repository: Repository, topic: number): void => {
    const counted = countedIn(repository, topic);
    const covered = new Map<string, readonly [Uint8Array, number]>();
    for (const { checkpoint } of counted)
      for (const { sess, seq } of checkpoint.sessions) {
        const key = bytesToHex(sess);
        if ((covered.get(key)?.[1] ?? -1) < seq) covered.set(key, [sess, seq]);
      }
    const offered = counted.slice(0, OFFERED_CHECKPOINTS);
    const isCoveredBy = ({ checkpoint }: Known, by: Known): boolean => {
      const seqs = new Map(by.checkpoint.sessions.map(({ sess, seq }) => [bytesToHex(sess), seq]));
      return checkpoint.sessions.every(({ sess, seq }) => (seqs.get(bytesToHex(sess)) ?? -1) >= seq);
    };
    const kept = counted.filter((one) => offered.includes(one) || !offered.some((by) => isCoveredBy(one, by)));
    const needed = new Set(kept.flatMap(({ checkpoint }) => checkpoint.bundles.map(({ oid }) => bytesToHex(oid))));
    const [largest] = counted;
    // Whoever made it holds what it covers.
    const isHeld =
      largest !== undefined &&
      !largest.item.own &&
      counted.every((one) => one === largest || isCoveredBy(one, largest));
    const written = store.transaction(() => {
      store.checkpoints.setCovered(topic, [...covered.values()]);
      if (isHeld) store.checkpoints.markDelivered([largest.item.oid]);
      for (const item of store.checkpoints.items(repository.n)) {
        if (item.topic !== topic || item.state !== ENTRY_STATE.valid) continue;
        const isKept =
          item.kind === ITEM_KINDS.checkpoint
            ? kept.some((one) => one.item.n === item.n)
            : !item.isNoted || needed.has(bytesToHex(item.oid));
        if (!isKept) store.checkpoints.drop(item.n);
      }
    }, "soon");
    if (!written.ok) {
      log.error("checkpoint not taken", { fault: written.error.type });
      return;
    }
    deps.covered(topic);
    if (topic === repository.epoch.topic) retirement.counted(repository);
    const watch = watches.get(repository.n);
    if (watch !== undefined && topic === repository.epoch.topic) {
      watch.tail = { ...NO_TAIL };
      if (largest?.item.own === false) void recount(repository);
    }
  };

  /** Whether a record of a session is here, and is the one meant. */
  const holds = (repository: Repository, { sess, seq, iid }: Pick<CoveredSession, "sess" | "seq" | "iid">): boolean => {
    const row = store.entries.innerAt(repository.n, sess, seq);
    return row !== undefined && bytesEqual(row.iid, iid);
  };

  const inSlice = <T>(work: () => T): Promise<T> =>
    new Promise((resolve) => {
      slices.add(() => {
        resolve(work());
        return true;
      });
    });

  const seqsOf = (
    repository: Repository,
    sessions: readonly CoveredSession[],
  ): readonly (readonly [Uint8Array, number])[] =>
    sessions.map(({ sess }) => [sess, store.repositories.session(repository.n, sess)?.lastSeq ?? -1] as const);

  /** Takes the records of one bundle that are not here yet. */
  const takeBundle = async (
    repository: Repository,
    topic: TopicRow,
    bundle: CompactedItem,
    known: Known,
    named: readonly SessionRange[],
  ): Promise<"taken" | "refused" | "failed"> => {
    const have = seqsOf(repository, known.checkpoint.sessions);
    let form: "joined" | "single" = "joined";
    const ask = (page: number): ReturnType<Compactor["unpack"]> =>
      compactor.unpack({ bundle: bundle.n, rid: repository.rid, known: have, form, page });
    let next = ask(0);
    for (let page = 0; ; page++) {
      let got = await next;
      if (got === undefined || got === "refused") return got ?? "failed";
      if (page === 0 && !isSame(rangesIn(got.sessions), named)) return "refused";
      // Before its records: one that counts again because another vouches for it is read from here.
      if (page === 0 && !noteRanges(bundle, rangesIn(got.sessions))) return "failed";
      // Unpacked while this one is taken.
      if (!got.isLast) next = ask(page + 1);
      // Another branch of a session that nobody has noticed: one by one, that is seen.
      const isOther = page === 0 && got.sessions.some((session) => isOtherBranch(repository, session));
      for (;;) {
        if (stopped) return "failed";
        const current = got;
        const taken =
          isOther && form === "joined"
            ? ok("irregular")
            : await inSlice(() => repositories.takeBundlePage(repository, topic, current, form));
        if (!taken.ok) return "failed";
        if (taken.value === "taken") break;
        form = "single";
        got = await ask(page);
        if (got === undefined || got === "refused") return got ?? "failed";
        if (!got.isLast) next = ask(page + 1);
      }
      if (got.isLast) return "taken";
    }
  };

  const rangesIn = (sessions: readonly PackedSession[]): readonly SessionRange[] =>
    sessions.map(({ sess, from, to }) => ({ session: sess, from, to }));

  const isSame = (held: readonly SessionRange[], named: readonly SessionRange[]): boolean => {
    const shown = ({ session, from, to }: SessionRange): string => `${bytesToHex(session)} ${from} ${to}`;
    const expected = new Set(named.map(shown));
    return held.length === named.length && held.every((range) => expected.has(shown(range)));
  };

  const isOtherBranch = (repository: Repository, { sess, to, iid }: PackedSession): boolean => {
    const row = store.entries.innerAt(repository.n, sess, to);
    return row !== undefined && !bytesEqual(row.iid, iid);
  };

  /** Judges one checkpoint that arrived: counts it, refuses it, or leaves it until its bundles are here. */
  const consider = async (repository: Repository, known: Known): Promise<void> => {
    const { checkpoint, item, header } = known;
    const topic = topicOf(item.topic);
    if (topic === undefined) return;
    const ops = checkpoint.aclOps.map(({ header: op, sig }) => ({ header: op, signature: sig }));
    if (!repository.access.knows(header.acl) && !repositories.takeOps(repository, ops).ok) return;
    const right = repository.access.right(header).type;
    if (right === "unknownAcl") return;
    if (right !== "allowed") {
      setState(item, ENTRY_STATE.void);
      return;
    }
    const items = byOid(store.checkpoints.items(repository.n));
    const bundles = checkpoint.bundles.map((bundle) => ({ bundle, row: items.get(bytesToHex(bundle.oid)) }));
    if (bundles.some(({ row }) => row === undefined)) return;
    for (const { bundle, row } of bundles) {
      if (row === undefined) return;
      const ranges = rangesOf(checkpoint, bundle);
      const isHere = ranges.every(
        ({ session, to }) => (store.repositories.session(repository.n, session)?.lastSeq ?? -1) >= to,
      );
      // Looked into also when all of it is known: entries are withheld from newcomers for what really is in bundles.
      const taken = row.isNoted && isHere ? "taken" : await takeBundle(repository, topic, row, known, ranges);
      if (taken === "taken") continue;
      if (taken === "refused" && !stopped) {
        log.warn("bundle refused", {});
        setState(item, ENTRY_STATE.malformed);
      }
      return;
    }
    const isComplete = checkpoint.sessions.every((session) => holds(repository, session));
    setState(item, isComplete ? ENTRY_STATE.valid : ENTRY_STATE.malformed);
    if (isComplete) settle(repository, item.topic);
  };

  const rangesOf = ({ sessions }: Checkpoint, { ranges }: NamedBundle): readonly SessionRange[] =>
    ranges.flatMap(([place, from, to]) => {
      const session = sessions[place];
      return session === undefined ? [] : [{ session: session.sess, from, to }];
    });

  const noteRanges = ({ n }: CompactedItem, ranges: readonly SessionRange[]): boolean => {
    const written = store.transaction(() => store.checkpoints.setRanges(n, ranges), "soon");
    if (!written.ok) log.error("bundle not noted", { fault: written.error.type });
    return written.ok;
  };

  /** Works through what arrived, one repository at a time. */
  const work = async (repository: Repository): Promise<void> => {
    const watch = watchOf(repository);
    if (watch.isBusy) return;
    watch.isBusy = true;
    while (watch.isDirty && !stopped) {
      watch.isDirty = false;
      for (const item of store.checkpoints.items(repository.n)) {
        if (item.kind !== ITEM_KINDS.checkpoint || item.state !== ENTRY_STATE.opened) continue;
        const known = openCheckpoint(repository, item);
        if (known === undefined) setState(item, ENTRY_STATE.malformed);
        else await consider(repository, known);
        if (stopped) break;
      }
    }
    release(watch);
    if (!stopped) look(repository, false);
  };

  const isDue = (repository: Repository): boolean => {
    if (store.meta.settings()[SETTING] === "off") return false;
    if (!repositories.mayCompact(repository) || store.repositories.hasEquivocation(repository.n)) return false;
    const { tail } = watchOf(repository);
    const isLong = tail.entries >= DUE_ENTRIES || tail.bytes >= DUE_BYTES;
    const isOld = tail.since !== null && tail.since + DUE_AGE_MS < clock.unix();
    if ((isLong || isOld) && tail.bytes <= tail.entries * MAX_MEAN_BYTES) return true;
    const isLater = repository.access.state().epochs.length > 1;
    return isLater && countedIn(repository, repository.epoch.topic).length === 0;
  };

  /** Starts the wait for a checkpoint that is due. */
  const look = (repository: Repository, isOwn: boolean): void => {
    const watch = watchOf(repository);
    if (watch.timer !== undefined || watch.isBusy || stopped || !isDue(repository)) return;
    const spread = isOwn ? randomBelow(random, OWN_SPREAD_MS) : OWN_SPREAD_MS + randomBelow(random, OTHERS_SPREAD_MS);
    watch.timer = clock.after(durationMs(spread), () => {
      watch.timer = undefined;
      void recount(repository).then(() => {
        if (isDue(repository)) void make(repository);
      });
    });
  };

  const make: CheckpointService["make"] = async (repository) => {
    const watch = watchOf(repository);
    while (watch.isBusy) await new Promise<void>((resolve) => watch.idle.push(resolve));
    if (stopped || !repositories.mayCompact(repository)) return false;
    if (store.repositories.hasEquivocation(repository.n)) return false;
    watch.isBusy = true;
    await build(repository);
    release(watch);
    if (watch.isDirty && !stopped) await work(repository);
    return countedIn(repository, repository.epoch.topic).length > 0 && watch.tail.entries === 0;
  };

  const release = (watch: Watch): void => {
    watch.isBusy = false;
    for (const resume of watch.idle.splice(0)) resume();
  };

  /** Packs what is not covered, publishes the bundles one by one and at last the checkpoint that names them. */
  const build = async (repository: Repository): Promise<boolean> => {
    const { topic } = repository.epoch;
    const inTopic = countedIn(repository, topic)[0];
    const base = inTopic ?? bestElsewhere(repository);
    const isWhole = inTopic === undefined;
    const items = byOid(store.checkpoints.items(repository.n));
    const rows = (base?.checkpoint.bundles ?? []).flatMap(({ oid }) => items.get(bytesToHex(oid))?.n ?? []);
    if (rows.length < (base?.checkpoint.bundles.length ?? 0)) return false;
    const covered = (base?.checkpoint.sessions ?? []).map(({ sess, seq }) => [sess, seq] as const);
    const packed = await compactor.pack({
      repository: repository.n,
      rid: repository.rid,
      covered,
      bundles: rows,
      isWhole,
    });
    if (packed === undefined || stopped || packed.bundles.length === 0) return false;
    const sessions = new Map<string, CoveredSession>();
    for (const session of base?.checkpoint.sessions ?? []) sessions.set(bytesToHex(session.sess), session);
    for (const bundle of packed.bundles)
      for (const { sess, devSig, to, iid } of bundle.sessions)
        sessions.set(bytesToHex(sess), { sess, devSig, seq: to, iid });
    const places = new Map([...sessions.keys()].map((key, place) => [key, place]));
    const placeOf = (sess: Uint8Array): number => places.get(bytesToHex(sess)) ?? 0;
    const bundles: NamedBundle[] = (base?.checkpoint.bundles ?? []).slice(0, packed.kept).map(({ oid, ranges }) => ({
      oid,
      ranges: ranges.map(([place, from, to]) => [
        placeOf((base as Known).checkpoint.sessions[place]?.sess as Uint8Array),
        from,
        to,
      ]),
    }));
    for (const { payload, sessions: own } of packed.bundles) {
      // A rotation meanwhile: the new topic gets one of its own.
      if (repository.epoch.topic !== topic || !repositories.mayCompact(repository)) return false;
      const item = await inSlice(() => repositories.publishCompacted(repository, "bundle", payload));
      if (!item.ok) return false;
      bundles.push({ oid: item.value.oid, ranges: own.map(({ sess, from, to }) => [placeOf(sess), from, to]) });
    }
    if (stopped || repository.epoch.topic !== topic || !repositories.mayCompact(repository)) return false;
    let size = 0;
    const aclOps = store.repositories.aclOps(repository.n).flatMap(({ header, signature }) => {
      size += header.length + signature.length;
      return size > MAX_OPS_BYTES ? [] : [{ header, sig: signature }];
    });
    const previous = inTopic?.item.oid ?? null;
    const payload = encodeCheckpoint({ sessions: [...sessions.values()], bundles, aclOps, previous });
    const item = await inSlice(() => repositories.publishCompacted(repository, "checkpoint", payload));
    if (item.ok) log.info("checkpoint made", { bundles: bundles.length, records: [...sessions.values()].length });
    return item.ok;
  };

  /** The best checkpoint of an earlier topic: its bundles are packed again for this one. */
  const bestElsewhere = (repository: Repository): Known | undefined =>
    [...new Set(store.checkpoints.items(repository.n).map(({ topic }) => topic))]
      .flatMap((topic) => countedIn(repository, topic).slice(0, 1))
      .toSorted((a, b) => b.size - a.size)[0];

  /** Bundles that no checkpoint names: a crash came between making and publishing. */
  const dropOrphans = (repository: Repository): void => {
    const items = store.checkpoints.items(repository.n);
    const named = new Set(
      items.flatMap((item) =>
        item.kind === ITEM_KINDS.checkpoint
          ? (openCheckpoint(repository, item)?.checkpoint.bundles ?? []).map(({ oid }) => bytesToHex(oid))
          : [],
      ),
    );
    const orphans = items.filter(
      ({ kind, own, oid }) => kind === ITEM_KINDS.bundle && own && !named.has(bytesToHex(oid)),
    );
    if (orphans.length === 0) return;
    const written = store.transaction(() => {
      for (const { n } of orphans) store.checkpoints.drop(n);
    }, "soon");
    if (!written.ok) log.error("bundles not dropped", { fault: written.error.type });
  };

  const retirement = createRetirement({
    ...deps,
    random: random.fork("retirement"),
    covered: (repository) => {
      const covered = new Map<string, CoveredSession>();
      for (const { checkpoint } of countedIn(repository, repository.epoch.topic))
        for (const session of checkpoint.sessions) {
          const key = bytesToHex(session.sess);
          if ((covered.get(key)?.seq ?? -1) < session.seq) covered.set(key, session);
        }
      return [...covered.values()];
    },
  });

  const retire = (): void => {
    const before = clock.unix() - RETIRE_AGE_MS;
    slices.add(() => {
      let isDone = true;
      for (const topic of repositories.topics()) {
        if (topic.repository === null || topic.kind !== "epoch") continue;
        const retired = store.transaction(() => store.checkpoints.retire(topic.n, before, RETIRE_AT_ONCE), "soon");
        if (retired.ok && retired.value === RETIRE_AT_ONCE) isDone = false;
      }
      return isDone;
    });
    for (const repository of repositories.all())
      slices.add(() => {
        retirement.tick(repository);
        return true;
      });
    retiring = clock.after(RETIRE_EVERY, retire);
  };

  const dirty = (repository: Repository): void => {
    watchOf(repository).isDirty = true;
    void work(repository);
  };

  return {
    open: () => {
      for (const repository of repositories.all()) {
        dropOrphans(repository);
        dirty(repository);
      }
      retiring = clock.after(RETIRE_EVERY, retire);
      counting = clock.after(FIRST_COUNT, () => {
        for (const repository of repositories.all()) void recount(repository).then(() => look(repository, false));
      });
    },
    stored: (topic, { kind, wire }, isOwn) => {
      const repository = topic.repository === null ? undefined : repositories.byNumber(topic.repository);
      if (repository === undefined || stopped) return;
      if (kind === ITEM_KINDS.bundle || kind === ITEM_KINDS.checkpoint) {
        dirty(repository);
        return;
      }
      if (kind !== ITEM_KINDS.entry || topic.n !== repository.epoch.topic) return;
      const { tail } = watchOf(repository);
      tail.entries++;
      tail.bytes += wire.length;
      tail.since ??= clock.unix();
      if (tail.entries >= DUE_ENTRIES || tail.bytes >= DUE_BYTES) look(repository, isOwn);
    },
    accessChanged: (repository) => {
      // A checkpoint of somebody who turned out to have lost the right to make it covers nothing any more.
      for (const item of store.checkpoints.items(repository.n)) {
        if (item.kind !== ITEM_KINDS.checkpoint || item.state !== ENTRY_STATE.valid) continue;
        const known = openCheckpoint(repository, item);
        if (known === undefined || repository.access.right(known.header).type === "allowed") continue;
        setState(item, ENTRY_STATE.void);
        settle(repository, item.topic);
      }
      const author = repository.access.state().epochHeads[0]?.op.devSig;
      const own = store.repositories.ownSessions(repository.n)[0]?.device;
      look(repository, author !== undefined && own !== undefined && bytesEqual(author, own));
      dirty(repository);
    },
    make,
    retire: (repository) => retirement.tell(repository),
    isCovered: (repository) => countedIn(repository, repository.epoch.topic).length > 0,
    stop: () => {
      stopped = true;
      retiring?.();
      counting?.();
      retirement.stop();
      for (const { timer } of watches.values()) timer?.();
    },
  };
};
