import type { Result } from "../../protocol/kernel/result.ts";
import type { TimelineSession } from "../history/timeline.ts";
import type { NoteDiff } from "../contract/types.ts";
import type { NoteSpan } from "../repositories/note-schema.ts";

export interface PastContent {
  readonly title: string;
  readonly text: string;
  readonly markdown: string;
  readonly spans: readonly NoteSpan[];
}

export interface TimelinePage {
  /** Newest first. */
  readonly sessions: readonly TimelineSession[];
  readonly changes: number;
  /** For each of `marked` how many changes stand up to and with its last; null for one that is not known. */
  readonly marked: readonly (number | null)[];
}

/** What is asked about the past of one document, given by its row; heads are change hashes in hex. */
export type HistoryRequest =
  | {
      readonly type: "timeline";
      readonly document: number;
      /** Only sessions that end at or before this many changes. */
      readonly before: number | null;
      readonly limit: number;
      /** States behind which a session ends. */
      readonly marked: readonly (readonly string[])[];
      /** Unix milliseconds. */
      readonly now: number;
    }
  | { readonly type: "read"; readonly document: number; readonly heads: readonly string[]; readonly now: number }
  | {
      readonly type: "diff";
      readonly document: number;
      readonly from: readonly string[];
      readonly to: readonly string[];
      readonly now: number;
    }
  | {
      readonly type: "restore";
      readonly document: number;
      readonly heads: readonly string[];
      /** State the restoring changes build on. */
      readonly base: readonly string[];
      /** Whose changes they are, 32 hex digits. */
      readonly actor: string;
      readonly now: number;
    };

export interface HistoryAnswers {
  readonly timeline: TimelinePage;
  readonly read: PastContent;
  readonly diff: NoteDiff;
  readonly restore: { readonly changes: readonly Uint8Array[] };
}

export interface HistoryError {
  /** `UnknownHeads`: a hash that names no change of the document. `Failed`: the reader died or took too long. */
  readonly type: "UnknownHeads" | "Failed";
}

export type HistoryAnswer<Type extends HistoryRequest["type"] = HistoryRequest["type"]> = Result<
  HistoryAnswers[Type],
  HistoryError
>;

/**
 * Computes the past of documents from their stored changes beside the process that asks.
 * P-HISTORY-1 Answers never hold up the process that asks; a request that hangs or dies fails alone. P-HISTORY-2 What was
 * committed before the question is part of the answer. P-HISTORY-3 Nothing is written; `restore` answers changes to commit.
 */
export interface HistoryReader {
  readonly ask: <Type extends HistoryRequest["type"]>(
    request: Extract<HistoryRequest, { type: Type }>,
  ) => Promise<HistoryAnswer<Type>>;
  /** Stored changes of the document were taken away: what was read of it is no longer so. */
  readonly forget: (document: number) => void;
  readonly stop: () => Promise<void>;
}
