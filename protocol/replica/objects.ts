import type { ScalarValue } from "../automerge-format/change.ts";
import type { Sequence } from "./sequence.ts";

/** Operation id with the actor as index into the replica's actor table. */
export interface OpId {
  readonly counter: number;
  readonly actor: number;
}

/** One value of a map key or sequence element that no other operation has overwritten. */
export interface Entry extends OpId {
  readonly value: ScalarValue;
  /** The object this value is, when it is one. */
  readonly child: Container | undefined;
  /** Sum of the increments a counter received. */
  readonly increments: number;
}

export interface MarkAnchor {
  readonly begins: boolean;
  readonly expand: boolean;
  /** Empty on the end of a mark. */
  readonly name: string;
  readonly value: ScalarValue;
}

/** A single element that is not plain text: values ascending by id, or an edge of a mark. */
export interface ElementDetail {
  readonly entries: readonly Entry[];
  readonly mark: MarkAnchor | undefined;
}

export interface Parent {
  readonly container: Container;
  /** Key in a map, element in a sequence. */
  readonly place: string | OpId;
}

export interface MapContainer {
  readonly kind: "map";
  readonly id: OpId;
  readonly parent: Parent | undefined;
  /** Values per key ascending by id; a key without values is absent. */
  readonly values: Map<string, readonly Entry[]>;
}

export interface SequenceContainer {
  readonly kind: "list" | "text";
  readonly id: OpId;
  readonly parent: Parent | undefined;
  readonly sequence: Sequence;
}

export type Container = MapContainer | SequenceContainer;

/** The root map has no operation. */
export const ROOT_ID: OpId = { counter: 0, actor: 0 };

/** Actors a packed id has room for; counters have 32 bits. */
export const MAX_ACTORS = 2 ** 20;

/** An operation id as one number. */
export const packId = (counter: number, actor: number): number => counter * MAX_ACTORS + actor;

/** What an object shows in a text (Automerge's placeholder), one UTF-16 code unit wide. */
export const PLACEHOLDER = "\ufffc";

/** Text of a text element: its last value, or the placeholder. */
export const shownText = (entries: readonly Entry[]): string => {
  const winner = entries.at(-1);
  if (winner === undefined) return "";
  return typeof winner.value === "string" ? winner.value : PLACEHOLDER;
};
