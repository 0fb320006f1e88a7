import { concatBytes } from "../../protocol/kernel/bytes.ts";
import { err, ok, type Result } from "../../protocol/kernel/result.ts";
import { maxTransportBodyBytes } from "../../protocol/noisesocket/payload.ts";

/** Urgent messages overtake bulk ones between two records; within a channel messages keep their order. */
export type Channel = "urgent" | "bulk";

/** Largest message (data formats, section 9.2): 4.25 MiB, an entry of 4 MiB and its envelope. */
export const maxMessageBytes = 4.25 * 1024 * 1024;

/** Every part of a message but its last has exactly this size, so a message has at most 69 parts. */
export const partBytes = maxTransportBodyBytes - 1;

const kinds = { urgentLast: 1, bulkLast: 2, urgentPart: 3, bulkPart: 4, ping: 16, pong: 17, goodbye: 31 } as const;

export const pingRecord = Uint8Array.of(kinds.ping);
export const pongRecord = Uint8Array.of(kinds.pong);
export const goodbyeRecord = Uint8Array.of(kinds.goodbye);

/** One record to send: `prefix` then `body`. */
export interface OutgoingRecord {
  readonly prefix: Uint8Array;
  readonly body: Uint8Array;
}

/** Messages waiting to be sent, cut into records on demand. */
export interface SendQueue {
  readonly add: (channel: Channel, message: Uint8Array) => void;
  readonly next: () => OutgoingRecord | undefined;
  readonly queuedBytes: () => number;
  readonly clear: () => void;
}

interface Waiting {
  readonly messages: Uint8Array[];
  /** Offset in the first message. */
  at: number;
  readonly part: Uint8Array;
  readonly last: Uint8Array;
}

const waiting = (part: number, last: number): Waiting => ({
  messages: [],
  at: 0,
  part: Uint8Array.of(part),
  last: Uint8Array.of(last),
});

export const createSendQueue = (): SendQueue => {
  const urgent = waiting(kinds.urgentPart, kinds.urgentLast);
  const bulk = waiting(kinds.bulkPart, kinds.bulkLast);
  let queuedBytes = 0;

  const nextOf = (queue: Waiting): OutgoingRecord | undefined => {
    const message = queue.messages[0];
    if (message === undefined) return undefined;
    const end = queue.at + partBytes;
    const isLast = end >= message.length;
    const body = message.subarray(queue.at, end);
    queuedBytes -= body.length;
    if (isLast) queue.messages.shift();
    queue.at = isLast ? 0 : end;
    return { prefix: isLast ? queue.last : queue.part, body };
  };
  return {
    add: (channel, message) => {
      (channel === "urgent" ? urgent : bulk).messages.push(message);
      queuedBytes += message.length;
    },
    next: () => nextOf(urgent) ?? nextOf(bulk),
    queuedBytes: () => queuedBytes,
    clear: () => {
      for (const queue of [urgent, bulk]) {
        queue.messages.length = 0;
        queue.at = 0;
      }
      queuedBytes = 0;
    },
  };
};

export type Received =
  | { readonly type: "message"; readonly bytes: Uint8Array }
  | { readonly type: "incomplete" }
  | { readonly type: "ping" }
  | { readonly type: "pong" }
  | { readonly type: "goodbye" };

export interface RecordViolation {
  readonly type: "RecordViolation";
  readonly rule: string;
}

/** Puts messages together again; holds at most one unfinished message of each channel. */
export interface Reassembly {
  readonly take: (record: Uint8Array) => Result<Received, RecordViolation>;
}

const violation = (rule: string): Result<never, RecordViolation> => err({ type: "RecordViolation", rule });

export const createReassembly = (): Reassembly => {
  const parts: Readonly<Record<Channel, Uint8Array[]>> = { urgent: [], bulk: [] };

  const takePart = (channel: Channel, isLast: boolean, bytes: Uint8Array): Result<Received, RecordViolation> => {
    const held = parts[channel];
    if (!isLast && bytes.length !== partBytes) return violation("LNK-4 a part is full");
    if (held.length * partBytes + bytes.length > maxMessageBytes)
      return violation("LNK-5 a message has at most 4.25 MiB");
    if (!isLast) {
      held.push(bytes);
      return ok({ type: "incomplete" });
    }
    if (held.length === 0) return ok({ type: "message", bytes });
    const message = concatBytes(...held, bytes);
    held.length = 0;
    return ok({ type: "message", bytes: message });
  };
  return {
    take: (record) => {
      const kind = record[0];
      if (kind === kinds.urgentLast) return takePart("urgent", true, record.subarray(1));
      if (kind === kinds.bulkLast) return takePart("bulk", true, record.subarray(1));
      if (kind === kinds.urgentPart) return takePart("urgent", false, record.subarray(1));
      if (kind === kinds.bulkPart) return takePart("bulk", false, record.subarray(1));
      if (record.length !== 1) return violation("LNK-3 a signal has no content");
      if (kind === kinds.ping) return ok({ type: "ping" });
      if (kind === kinds.pong) return ok({ type: "pong" });
      if (kind === kinds.goodbye) return ok({ type: "goodbye" });
      return violation("LNK-3 unknown kind of record");
    },
  };
};
