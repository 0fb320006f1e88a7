import type { Store } from "../ports/store.ts";
import { decodeUtf8, encodeUtf8 } from "../../protocol/codec/utf8.ts";

/** A move under way, as stored before its first step, so that a restart finishes it. */
export interface MovePlan {
  /** 32 hex digits. */
  readonly id: string;
  /** Document that moves. */
  readonly from: string;
  /** Repository it goes to; null while the one for it alone is not founded. */
  readonly to: string | null;
  /** It gets a repository of its own. */
  readonly alone: boolean;
  /** Id inside `to`, 32 hex digits. */
  readonly did: string;
  readonly folder: string;
  /** State of the original that stands there now; null while nothing does. */
  readonly copied: readonly string[] | null;
}

const PREFIX = "move/";

/** Inside a transaction. */
export const storePlan = (store: Pick<Store, "meta">, plan: MovePlan): void =>
  store.meta.set(PREFIX + plan.id, encodeUtf8(JSON.stringify(plan)));

/** Inside a transaction. */
export const dropPlan = (store: Pick<Store, "meta">, { id }: MovePlan): void => store.meta.remove(PREFIX + id);

export const storedPlans = (store: Pick<Store, "meta">): readonly MovePlan[] =>
  store.meta.list(PREFIX).map(({ value }) => JSON.parse(decodeUtf8(value) ?? "null") as MovePlan);
