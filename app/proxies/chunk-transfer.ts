import type { Log } from "../ports/log.ts";
import type { Store, StoreError, TopicRow } from "../ports/store.ts";
import type { Repository } from "../repositories/repository.ts";
import type { RepositoryService } from "../repositories/repository-service.ts";
import type { CryptoProvider } from "../../protocol/crypto/provider.ts";
import { bytesEqual } from "../../protocol/kernel/bytes.ts";
import type { ProxyQuestion } from "../../protocol/proxy/client-events.ts";
import type { ProxyAnswer } from "../../protocol/proxy/messages.ts";
import { PUSH_STATUS } from "../../protocol/proxy/messages.ts";
import { blobStatement } from "../../protocol/proxy/statements.ts";

/** Chunks of attachments between this device and one proxy. */
export interface ChunkTransfer {
  /** Gives the proxy what it lacks, until nothing is left or it refuses. */
  readonly upload: () => Promise<void>;
  /** Null when the proxy has no such chunk of the repository, or none that holds. */
  readonly fetch: (repository: number, id: Uint8Array) => Promise<Uint8Array | null>;
  /** Whether something that is here of the repository's files is not at the proxy. */
  readonly owes: (repository: number) => boolean;
  /** Chunks came to this device. */
  readonly changed: () => void;
  readonly isUploading: () => boolean;
  /** The proxy had no room for one. */
  readonly isFull: () => boolean;
}

/** Chunks asked about and pinned at once: 8 MiB. */
const PAGE = 32;
/** Chunks on their way at once: what hides a round trip of 100 ms on a home uplink, and is little to hold. */
const MAX_SENDING = 4;

export const createChunkTransfer = (deps: {
  /** Row of the proxy. */
  readonly n: number;
  readonly staticKey: Uint8Array;
  readonly store: Store;
  readonly crypto: CryptoProvider;
  readonly log: Log;
  readonly repositories: RepositoryService;
  readonly ask: (question: ProxyQuestion) => Promise<ProxyAnswer | null>;
  /** Whether the topic is followed at the proxy. */
  readonly isFollowed: (topic: Uint8Array) => boolean;
  readonly read: (repository: number, id: Uint8Array) => Promise<Uint8Array | null>;
  readonly progressed: () => void;
  readonly fault: (error: StoreError) => void;
}): ChunkTransfer => {
  const { n, staticKey, store, crypto, log, repositories, ask } = deps;
  /** Whether chunks of a repository are owed, by its row; absent where it was not looked up since something changed. */
  const owing = new Map<number, boolean>();
  let isUploading = false;
  let isAskedAgain = false;
  let isFull = false;

  /** Topics under which the proxy may hold chunks of a repository, the current one first. */
  const topicsOf = (repository: number): readonly TopicRow[] =>
    repositories
      .topics()
      .filter((topic) => topic.repository === repository && topic.kind === "epoch")
      .toSorted((a, b) => Number(b.state === "current") - Number(a.state === "current") || b.n - a.n);

  /** Which of the chunks the proxy has under any topic; undefined when it does not answer. */
  const presentAt = async (
    topics: readonly TopicRow[],
    ids: readonly Uint8Array[],
  ): Promise<ReadonlySet<Uint8Array> | undefined> => {
    const present = new Set<Uint8Array>();
    for (const { pk } of topics) {
      const asked = ids.filter((id) => !present.has(id));
      if (asked.length === 0) break;
      const answer = await ask({ type: "haveBlobs", topic: pk, ids: asked });
      if (answer === null) return undefined;
      // A topic from before this device came may not be kept there.
      if (answer.type !== "blobsPresent") continue;
      for (const [at, id] of asked.entries()) if (answer.present[at] === true) present.add(id);
    }
    return present;
  };

  const note = (repository: number, ids: readonly Uint8Array[]): boolean => {
    if (ids.length === 0) return true;
    const written = store.transaction(() => store.proxies.holdChunks(n, repository, ids));
    if (!written.ok) deps.fault(written.error);
    deps.progressed();
    return written.ok;
  };

  /** Answers whether all of them are at the proxy or not on this disk. */
  const send = async (repository: Repository, topic: Uint8Array, ids: readonly Uint8Array[]): Promise<boolean> => {
    const queue = [...ids];
    let isRefused = false;
    const lane = async (): Promise<void> => {
      for (let id = queue.shift(); id !== undefined && !isRefused; id = queue.shift()) {
        const bytes = await deps.read(repository.n, id);
        if (bytes === null) continue;
        const answer = await ask({ type: "putBlob", topic, id, bytes });
        const status = answer?.type === "done" ? answer.status : undefined;
        if (status === PUSH_STATUS.stored || status === PUSH_STATUS.duplicate) isRefused ||= !note(repository.n, [id]);
        else {
          isRefused = true;
          isFull ||= status === PUSH_STATUS.quota;
        }
      }
    };
    await Promise.all(Array.from({ length: MAX_SENDING }, lane));
    return !isRefused;
  };

  /** One page of a repository: answers whether to go on with it. */
  const uploadPage = async (repository: Repository, after: Uint8Array | undefined): Promise<Uint8Array | undefined> => {
    const ids = store.proxies.owedChunks(n, repository.n, after, PAGE);
    const last = ids.at(-1);
    const topics = topicsOf(repository.n);
    if (last === undefined || topics.length === 0) return undefined;
    const present = await presentAt(topics, ids);
    if (present === undefined) return undefined;
    if (!note(repository.n, [...present])) return undefined;
    const lacking = ids.filter((id) => !present.has(id));
    const { topicKey, topicPk } = repository.epoch;
    // Who may only read cannot pin: a writer brings these.
    if (lacking.length === 0 || topicKey === null || !deps.isFollowed(topicPk)) return last;
    const signature = topicKey.sign(blobStatement(crypto, "pinBlobs", staticKey, topicPk, lacking));
    const pinned = await ask({ type: "pinBlobs", topic: topicPk, ids: lacking, signature });
    if (pinned?.type !== "done" || pinned.status !== PUSH_STATUS.stored) {
      isFull ||= pinned?.type === "done" && pinned.status === PUSH_STATUS.quota;
      return undefined;
    }
    return (await send(repository, topicPk, lacking)) ? last : undefined;
  };

  const uploadAll = async (): Promise<void> => {
    isFull = false;
    for (const repository of repositories.all()) {
      let after: Uint8Array | undefined;
      do after = await uploadPage(repository, after);
      while (after !== undefined);
      owing.delete(repository.n);
    }
  };

  return {
    upload: async () => {
      isAskedAgain = true;
      if (isUploading) return;
      isUploading = true;
      while (isAskedAgain) {
        isAskedAgain = false;
        await uploadAll();
      }
      isUploading = false;
      deps.progressed();
    },
    fetch: async (repository, id) => {
      for (const { pk } of topicsOf(repository)) {
        const answer = await ask({ type: "getBlob", topic: pk, id });
        if (answer === null) return null;
        if (answer.type !== "blob" || answer.bytes === null) continue;
        if (bytesEqual(crypto.hash("SHA256", answer.bytes), id)) return answer.bytes;
        log.warn("proxy handed out a broken chunk");
        return null;
      }
      return null;
    },
    owes: (repository) => {
      const known = owing.get(repository);
      if (known !== undefined) return known;
      const found = store.proxies.owedChunks(n, repository, undefined, 1).length > 0;
      owing.set(repository, found);
      return found;
    },
    changed: () => owing.clear(),
    isUploading: () => isUploading,
    isFull: () => isFull,
  };
};
