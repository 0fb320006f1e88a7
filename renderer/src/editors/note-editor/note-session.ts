import { sha256 } from "@noble/hashes/sha2.js";
import type { Api } from "../../../../app/contract/create-api.ts";
import type { ContractError } from "../../../../app/contract/errors.ts";
import { contractError } from "../../../../app/contract/errors.ts";
import type { OpenDocumentEvent, Presence } from "../../../../app/contract/types.ts";
import { NOTE_KEYS } from "../../../../app/repositories/note-schema.ts";
import { createReplica, loadReplica } from "../../../../protocol/replica/replica.ts";
import type { FormatDependencies } from "../../../../protocol/automerge-format/change.ts";
import type { ObjectId, Replica } from "../../../../protocol/replica/types.ts";
import { inflateRaw } from "./inflate-raw.ts";

/** An open note: its replica, kept in step with the node by one stream and one queue. */
export interface NoteSession {
  readonly close: () => void;
  /** Hands a local change over; changes of one frame travel together. */
  readonly send: (change: Uint8Array) => void;
  /** Tells the others where this person is; `null` when away. */
  readonly sendPresence: (cursor: string | null) => void;
}

export interface NoteSessionEvents {
  /** A fresh replica, at first and again after the node closed the lease. */
  readonly opened: (note: { readonly replica: Replica; readonly text: ObjectId; readonly writable: boolean }) => void;
  readonly changes: (changes: readonly Uint8Array[]) => void;
  readonly presence: (present: readonly Presence[]) => void;
  /** The note cannot be shown; nothing more will come. */
  readonly failed: (error: ContractError) => void;
  readonly problem: (error: ContractError) => void;
}

const replicaDependencies: FormatDependencies = { sha256, inflateRaw };

/** One frame of a 60 Hz display: what is typed within it travels as one batch. */
const SEND_INTERVAL_MS = 16;
/** Carets are watched by people; ten times a second is smooth enough and spares the network. */
const PRESENCE_INTERVAL_MS = 100;
/** Nodes forget a caret they have not heard of for half a minute; whoever connects later learns of it too. */
const PRESENCE_REPEAT_MS = 10_000;
/** Bounds of `documents.apply`. */
const MAX_BATCH_CHANGES = 1_024;
const MAX_BATCH_BYTES = 4_000_000;
/** A change may overtake what it builds on by this much before the node is asked for it. */
const RECALL_DELAY_MS = 500;
/** Bound of `documents.recall`. */
const MAX_RECALLED = 256;

export const openNote = (api: Api, document: string, events: NoteSessionEvents): NoteSession => {
  let lease: string | undefined;
  let unsubscribe = (): void => undefined;
  let isClosed = false;
  let queue: Uint8Array[] = [];
  let sending: Promise<void> | undefined;
  let lastSent = 0;
  let sendTimer: ReturnType<typeof setTimeout> | undefined;
  let presenceTimer: ReturnType<typeof setTimeout> | undefined;
  let presence: string | null | undefined;
  let replica: Replica | undefined;
  let recallTimer: ReturnType<typeof setTimeout> | undefined;

  const open = (): void => {
    unsubscribe();
    unsubscribe = api.subscribe("documents.open", { document }, (message) => {
      if (isClosed) return;
      if (!message.ok) {
        lease = undefined;
        if (message.error.type === "LeaseExpired") open();
        else events.failed(message.error);
      } else handle(message.value);
    });
  };

  const handle = (event: OpenDocumentEvent): void => {
    switch (event.type) {
      case "opened":
        opened(event);
        return;
      case "changes":
        events.changes(event.changes);
        recallLater();
        return;
      case "presence":
        events.presence(event.present);
    }
  };

  const opened = (event: Extract<OpenDocumentEvent, { type: "opened" }>): void => {
    lease = event.lease;
    const loaded = event.snapshot === null ? undefined : loadReplica(replicaDependencies, event.snapshot, event.actor);
    if (loaded?.ok === false) {
      events.failed(contractError("EngineFailed"));
      return;
    }
    replica = loaded?.value ?? createReplica(replicaDependencies, event.actor);
    const { rejected } = replica.applyChanges(event.changes);
    if (rejected.length > 0) events.problem(contractError("BadChange"));
    // What could not be delivered under the old lease is delivered under the new one, and shown again.
    if (queue.length > 0) replica.applyChanges(queue);
    const text = replica.objectAt([NOTE_KEYS.text]);
    if (text === undefined) {
      events.failed(contractError("EngineFailed"));
      return;
    }
    events.opened({ replica, text, writable: event.writable });
    recallLater();
    flush();
  };

  /** Changes wait for others that this replica has forgotten, being older than those it remembers: the node has them. */
  const recallLater = (): void => {
    if (recallTimer === undefined && (replica?.missing().length ?? 0) > 0)
      recallTimer = setTimeout(() => void recall(), RECALL_DELAY_MS);
  };

  const recall = async (): Promise<void> => {
    recallTimer = undefined;
    const asked = replica;
    const missing = asked?.missing() ?? [];
    if (lease === undefined || isClosed || missing.length === 0) return;
    const answer = await api.call("documents.recall", { lease, changes: missing.slice(0, MAX_RECALLED) });
    if (!answer.ok || answer.value.changes.length === 0 || replica !== asked || isClosed) return;
    events.changes(answer.value.changes);
    // Unchanged: an input method holds the changes back, or they do not help; asking again would not either.
    if (asked?.missing().join() !== missing.join()) recallLater();
  };

  const reopen = (): void => {
    lease = undefined;
    if (!isClosed) open();
  };

  /** Sends batch after batch, one at a time, until the queue is empty or the node refuses. */
  const drain = async (): Promise<void> => {
    while (lease !== undefined && queue.length > 0) {
      lastSent = performance.now();
      const sentUnder = lease;
      const batch = takeBatch(queue);
      const answer = await api.call("documents.apply", { lease: sentUnder, changes: batch });
      if (answer.ok) queue = queue.slice(batch.length);
      else if (answer.error.type === "LeaseExpired") {
        if (lease === sentUnder) reopen();
        return;
      } else {
        events.problem(answer.error);
        // Changes the node will never take: the note is opened anew without them.
        const isRefused = answer.error.type === "BadChange" || answer.error.type === "NotAllowed";
        if (isRefused) queue = [];
        if (isRefused) reopen();
        else sendTimer = setTimeout(flush, RETRY_MS);
        return;
      }
    }
  };

  const flush = (): void => {
    clearTimeout(sendTimer);
    sendTimer = undefined;
    sending ??= drain().finally(() => {
      sending = undefined;
      // What was queued between the last batch and now, or a new lease that came meanwhile.
      if (lease !== undefined && queue.length > 0 && sendTimer === undefined) flush();
    });
  };

  const sendPresenceNow = async (): Promise<void> => {
    presenceTimer = undefined;
    if (lease === undefined || presence === undefined) return;
    await api.call("documents.presence", presence === null ? { lease } : { lease, cursor: presence });
  };

  /** Ends the stream, and with it the lease, once everything is handed over. */
  const finish = (): void => {
    if (sending === undefined) unsubscribe();
    else void sending.finally(finish);
  };

  open();
  const repeat = setInterval(() => void sendPresenceNow(), PRESENCE_REPEAT_MS);
  // A window that closes must not take the last frame's typing with it.
  addEventListener("pagehide", flush);
  return {
    send: (change) => {
      queue.push(change);
      if (sending !== undefined || sendTimer !== undefined) return;
      const wait = SEND_INTERVAL_MS - (performance.now() - lastSent);
      if (wait <= 0) flush();
      else sendTimer = setTimeout(flush, wait);
    },
    sendPresence: (cursor) => {
      presence = cursor;
      presenceTimer ??= setTimeout(() => void sendPresenceNow(), PRESENCE_INTERVAL_MS);
    },
    close: () => {
      isClosed = true;
      clearTimeout(presenceTimer);
      clearTimeout(recallTimer);
      clearInterval(repeat);
      if (presence !== undefined) presence = null;
      void sendPresenceNow();
      removeEventListener("pagehide", flush);
      flush();
      finish();
    },
  };
};

/** A full disk or a busy node: the changes wait here and the person is told. */
const RETRY_MS = 2_000;

const takeBatch = (queue: readonly Uint8Array[]): Uint8Array[] => {
  let bytes = 0;
  let count = 0;
  for (const change of queue) {
    if (count >= MAX_BATCH_CHANGES || (count > 0 && bytes + change.length > MAX_BATCH_BYTES)) break;
    bytes += change.length;
    count++;
  }
  return queue.slice(0, count);
};

/** Title of a note as its replica has it. */
export const titleOf = (replica: Replica): string => {
  const title = replica.objectAt([NOTE_KEYS.title]);
  if (title !== undefined && replica.kindOf(title) === "text") return replica.text(title);
  const plain = replica.get("_root", NOTE_KEYS.title);
  return typeof plain === "string" ? plain : "";
};
