import type { Part } from "../../protocol/entry/payload.ts";
import type { SignedRecord } from "../../protocol/entry/record.ts";
import type { EntryState, TopicRow } from "../ports/store.ts";
import type { DocumentChanges } from "./integrate.ts";

/** What one batch of items does to a repository. */
export interface Outcome {
  readonly changes: Map<number, Uint8Array[]>;
  readonly contradictions: (readonly [Uint8Array, Uint8Array])[];
  /** Records with content and the topics they came in. */
  readonly arrived: { topic: TopicRow; record: SignedRecord; parts: readonly Part[]; state: EntryState }[];
  accessChanged: boolean;
  linked: boolean;
  undecided: boolean;
  /** The topic of a combination of epochs was named. */
  announced: boolean;
  /** Documents that lost drafts of own sessions; undefined while the sessions go on. */
  ended: ReadonlySet<number> | undefined;
}

/** Before anything was integrated. */
export const emptyOutcome = (): Outcome => ({
  changes: new Map(),
  contradictions: [],
  arrived: [],
  accessChanged: false,
  linked: false,
  undecided: false,
  announced: false,
  ended: undefined,
});

/** Appends changes document by document. */
export const addChanges = ({ changes }: Outcome, added: DocumentChanges): void => {
  for (const [document, list] of added) {
    const known = changes.get(document);
    if (known === undefined) changes.set(document, [...list]);
    else for (const change of list) known.push(change);
  }
};
