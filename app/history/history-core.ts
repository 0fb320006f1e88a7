import type { FormatDependencies } from "../../protocol/automerge-format/change.ts";
import { changeSummary } from "../../protocol/automerge-format/change-summary.ts";
import { err, ok } from "../../protocol/kernel/result.ts";
import type { NoteDiffPart } from "../contract/types.ts";
import type { HistoryAnswer, HistoryRequest, PastContent } from "../ports/history-reader.ts";
import { editNote, readNote, readRichText } from "../repositories/note-document.ts";
import { type ChangeGraph, createChangeGraph } from "./change-graph.ts";
import { createPastStates, type PastStates } from "./past-states.ts";
import { diffSpans } from "./rich-diff.ts";
import { type TimelineSession, timelineOf } from "./timeline.ts";

/** The stored changes of documents, by document row. */
export interface ChangeSource {
  /** Changes after a row, in an order in which dependencies come first; one is held in memory at a time. */
  readonly after: (
    document: number,
    row: number,
  ) => Iterable<{ readonly row: number; readonly hash: string; readonly bytes: Uint8Array }>;
  readonly bytes: (row: number) => Uint8Array;
}

interface Held {
  readonly graph: ChangeGraph;
  readonly states: PastStates;
  row: number;
  sessions: { readonly key: string; readonly list: readonly TimelineSession[] } | undefined;
}

/** Documents whose graphs are kept: the one a panel shows, and the one before. */
const MAX_HELD = 2;

/** Answers questions about the past of documents; the reader without its thread. */
export const createHistoryCore = (source: ChangeSource, format: FormatDependencies) => {
  const documents = new Map<number, Held>();

  /** The document's graph with everything stored by now. */
  const held = (document: number, now: number): Held => {
    const graph = createChangeGraph();
    const known = documents.get(document) ?? {
      graph,
      states: createPastStates(graph, source.bytes, format),
      row: 0,
      sessions: undefined,
    };
    documents.delete(document);
    documents.set(document, known);
    for (const [oldest] of documents) if (documents.size > MAX_HELD) documents.delete(oldest);
    const had = known.graph.size();
    for (const { row, hash, bytes } of source.after(document, known.row)) {
      known.row = Math.max(known.row, row);
      const summary = changeSummary(bytes, format);
      // What is stored was inspected; a change that cannot be read all the same is left out, as documents leave it out.
      if (summary.ok) known.graph.add(row, hash, summary.value, now);
    }
    if (known.graph.size() > had) {
      known.sessions = undefined;
      let first = had;
      for (let change = had; change < known.graph.size(); change++) first = Math.min(first, known.graph.place(change));
      known.states.forgetFrom(first);
    }
    return known;
  };

  const numbersOf = ({ graph }: Held, heads: readonly string[]): readonly number[] | undefined => {
    const numbers = heads.map((hash) => graph.number(hash));
    return numbers.every((change) => change !== undefined) ? numbers : undefined;
  };

  const timeline = (request: Extract<HistoryRequest, { type: "timeline" }>): HistoryAnswer<"timeline"> => {
    const document = held(request.document, request.now);
    const { graph } = document;
    const marked = request.marked.map((heads) => {
      const numbers = numbersOf(document, heads);
      return numbers === undefined ? null : 1 + Math.max(-1, ...numbers.map((change) => graph.place(change)));
    });
    const ends = new Set(marked.flatMap((end) => (end === null ? [] : [end - 1])));
    const key = [...ends].join();
    if (document.sessions?.key !== key) document.sessions = { key, list: timelineOf(graph, ends) };
    const { list } = document.sessions;
    const { before } = request;
    const to = before === null ? list.length : list.findLastIndex(({ end }) => end <= before) + 1;
    const sessions = list.slice(Math.max(0, to - request.limit), to).toReversed();
    return ok({ sessions, changes: graph.size(), marked });
  };

  /** The note in the given state; no state at all reads as an empty note. */
  const contentOf = (document: Held, heads: readonly number[]): PastContent => {
    const { title, text, markdown, spans } = readNote(document.states.at(heads));
    return { title, text, markdown, spans };
  };

  const diff = (request: Extract<HistoryRequest, { type: "diff" }>): HistoryAnswer<"diff"> => {
    const document = held(request.document, request.now);
    const from = numbersOf(document, request.from);
    const to = numbersOf(document, request.to);
    if (from === undefined || to === undefined) return err({ type: "UnknownHeads" });
    const earlier = readRichText(document.states.at(from));
    const later = readRichText(document.states.at(to));
    const parts = diffSpans(earlier.spans, later.spans);
    return ok({
      title: { from: earlier.title, to: later.title },
      parts,
      added: unitsOf(parts, "added"),
      removed: unitsOf(parts, "removed"),
    });
  };

  const restore = (request: Extract<HistoryRequest, { type: "restore" }>): HistoryAnswer<"restore"> => {
    const document = held(request.document, request.now);
    const heads = numbersOf(document, request.heads);
    const base = numbersOf(document, [...request.base, ...document.graph.lastOf(request.actor)]);
    if (heads === undefined || base === undefined) return err({ type: "UnknownHeads" });
    const { title, spans } = readRichText(document.states.at(heads));
    const changes = editNote(document.states.at(base), request.actor, Math.floor(request.now / 1000), [
      { type: "setContent", title, spans },
    ]);
    return changes.ok ? ok({ changes: changes.value }) : err({ type: "Failed" });
  };

  return {
    forget: (document: number): void => {
      documents.delete(document);
    },
    handle: (request: HistoryRequest): HistoryAnswer => {
      switch (request.type) {
        case "timeline":
          return timeline(request);
        case "read": {
          const document = held(request.document, request.now);
          const heads = numbersOf(document, request.heads);
          return heads === undefined ? err({ type: "UnknownHeads" }) : ok(contentOf(document, heads));
        }
        case "diff":
          return diff(request);
        case "restore":
          return restore(request);
      }
    },
  };
};

const unitsOf = (parts: readonly NoteDiffPart[], type: "added" | "removed"): number =>
  parts.reduce((sum, part) => {
    if (part.type !== type) return sum;
    return sum + (part.span.type === "text" ? part.span.value.length : 1);
  }, 0);
