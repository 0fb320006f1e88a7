import type { CheckedItem } from "../../protocol/entry/item.ts";
import type { PushResult, PushStatus } from "../../protocol/peer/messages.ts";
import type { Clock } from "../ports/clock.ts";
import type { ItemOpener } from "../ports/item-opener.ts";
import type { TopicRow } from "../ports/store.ts";
import type { SliceQueue } from "../runtime/slices.ts";
import type { Opened } from "./integrate.ts";
import type { Repository } from "./repository.ts";

/** A verified item; `opened` when it is of a repository. */
export interface Candidate {
  readonly item: CheckedItem;
  readonly opened: Opened | undefined;
}

export interface OpenedItem {
  readonly oid: Uint8Array;
  readonly candidate: Candidate | undefined;
}

/** Where wires came from, and what the sender makes of the answer. */
export interface IngestOrigin {
  /** The link they came over. */
  readonly source: object | undefined;
  /** The sender relies on what it is told being stored for good. */
  readonly isAcknowledged: boolean;
  /** Runs in the transaction that stores the last of the wires, with what became of each; not when one of them could not be stored. */
  readonly covered?: (results: readonly PushResult[]) => void;
}

/** Wires of one message on their way into the store. */
interface Page {
  readonly topic: TopicRow;
  readonly repository: Repository | undefined;
  readonly wires: readonly Uint8Array[];
  readonly origin: IngestOrigin;
  readonly done: (results: readonly PushResult[]) => void;
  readonly results: PushResult[];
  /** Being opened by the opener: nothing is done about it here. */
  isAsked: boolean;
  opened: readonly OpenedItem[] | undefined;
  next: number;
  batch: Candidate[];
  size: number;
}

/** Takes wires into the store in the order they came, in slices, so that neither verifying nor storing holds up the loop. */
export interface IngestQueue {
  readonly add: (
    topic: TopicRow,
    repository: Repository | undefined,
    wires: readonly Uint8Array[],
    origin: IngestOrigin,
    done: (results: readonly PushResult[]) => void,
  ) => void;
}

/** One verification slice; half of what a piece of background work may take. */
const SLICE_MS = 4;
/** Items in one commit: stored and integrated within a slice. */
const COMMIT_BYTES = 524_288;
const STORED: PushStatus = 0;
const NOT_STORED: PushStatus = 4;
/** Pages at the opener at once: one under way and one behind it. */
const MAX_ASKED = 2;

export const createIngestQueue = (deps: {
  readonly slices: SliceQueue;
  readonly clock: Clock;
  readonly opener: ItemOpener;
  readonly open: (topic: TopicRow, repository: Repository | undefined, wire: Uint8Array) => OpenedItem;
  /** What is to be stored of an opened wire, or why nothing is. */
  readonly admit: (topic: TopicRow, item: OpenedItem) => Candidate | PushResult;
  readonly commit: (
    topic: TopicRow,
    repository: Repository | undefined,
    candidates: readonly Candidate[],
    origin: IngestOrigin,
    /** What else the transaction does. */
    covered: (() => void) | undefined,
  ) => PushStatus;
  /** The queue is empty. */
  readonly drained: () => void;
}): IngestQueue => {
  const { slices, clock, opener } = deps;
  const pages: Page[] = [];
  let isRunning = false;
  let asked = 0;

  const finish = (page: Page): void => {
    pages.shift();
    isRunning = false;
    if (pages.length === 0) deps.drained();
    page.done(page.results);
    advance();
  };

  /** Verifies what one slice allows and commits what is enough; answers whether the page is done. */
  const step = (page: Page): boolean => {
    const { topic, repository, wires, results } = page;
    const start = clock.monotonic();
    while (page.next < wires.length && page.size < COMMIT_BYTES) {
      const wire = wires[page.next] as Uint8Array;
      const admitted = deps.admit(topic, page.opened?.[page.next] ?? deps.open(topic, repository, wire));
      page.next++;
      if ("status" in admitted) results.push(admitted);
      else {
        page.batch.push(admitted);
        page.size += wire.length;
      }
      if (clock.monotonic() - start >= SLICE_MS) break;
    }
    if (page.next < wires.length && page.size < COMMIT_BYTES) return false;
    const isLast = page.next === wires.length;
    const ordered = page.batch.toSorted((a, b) => a.item.gen - b.item.gen);
    const stored = (status: PushStatus): readonly PushResult[] =>
      ordered.map(({ item }) => ({ oid: item.oid, status }));
    const { covered } = page.origin;
    const last =
      isLast && covered !== undefined && results.every(({ status }) => status !== NOT_STORED)
        ? () => covered([...results, ...stored(STORED)])
        : undefined;
    if (ordered.length > 0 || last !== undefined) {
      results.push(...stored(deps.commit(topic, repository, ordered, page.origin, last)));
      page.batch = [];
      page.size = 0;
    }
    if (!isLast) return false;
    finish(page);
    return true;
  };

  /** Gives the opener pages from behind the one under way here, so that both sides always have something to do. */
  const share = (): void => {
    if (pages.length < 2) return;
    if (!opener.isReady()) {
      opener.prepare(share);
      return;
    }
    for (const [index, page] of pages.entries()) {
      if (asked >= MAX_ASKED) return;
      const { repository, topic, wires } = page;
      if (index === 0 || page.isAsked || page.opened !== undefined || repository === undefined) continue;
      asked++;
      page.isAsked = true;
      void opener
        .open({ topic: { pk: topic.pk, readKey: topic.readKey, rid: repository.rid }, wires })
        .then((opened) => {
          asked--;
          page.isAsked = false;
          page.opened = opened;
          advance();
        });
    }
  };

  const advance = (): void => {
    share();
    const [page] = pages;
    if (isRunning || page === undefined || page.isAsked) return;
    isRunning = true;
    slices.add(() => step(page));
  };

  return {
    add: (topic, repository, wires, origin, done) => {
      pages.push({
        topic,
        repository,
        wires,
        origin,
        done,
        results: [],
        isAsked: false,
        opened: undefined,
        next: 0,
        batch: [],
        size: 0,
      });
      advance();
    },
  };
};
