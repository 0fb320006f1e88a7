import { bytesToHex } from "../kernel/bytes.ts";
import type { AclState, EntryClaim } from "./acl-state.ts";

/** An entry as the validity rules see it. */
export interface EntryNode extends EntryClaim {
  readonly iid: Uint8Array;
  /** Predecessor in the session and all parents. */
  readonly past: readonly Uint8Array[];
}

export type EntryVerdict =
  | "valid"
  /** Not allowed by itself, but an allowed entry was built on it: that author vouches. */
  | "adopted"
  | "void";

/**
 * Which entries count (SPEC ACL-11 to ACL-13): the allowed ones and their causal past, without the losing branches of forks and what was built on
 * them. A pure function of ops and entries; entries that name unknown ACL ops are void until those arrive.
 */
export const judgeEntries = (acl: AclState, entries: readonly EntryNode[]): ReadonlyMap<string, EntryVerdict> => {
  const byKey = new Map(entries.map((entry) => [bytesToHex(entry.iid), entry]));
  const lost = withDescendants(
    byKey,
    acl.forks.map(({ loser }) => bytesToHex(loser)),
  );
  const verdicts = new Map<string, EntryVerdict>();
  for (const key of byKey.keys()) verdicts.set(key, "void");
  for (const [key, entry] of byKey) {
    if (lost.has(key) || acl.rightOf(entry).type !== "allowed") continue;
    verdicts.set(key, "valid");
    // Nothing in the past of an entry that is not lost is lost.
    const open = [...entry.past];
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      const past = bytesToHex(next);
      const found = byKey.get(past);
      if (found === undefined || verdicts.get(past) !== "void") continue;
      verdicts.set(past, acl.rightOf(found).type === "allowed" ? "valid" : "adopted");
      open.push(...found.past);
    }
  }
  return verdicts;
};

/** The given entries and everything that has one of them in its causal past. */
const withDescendants = (byKey: ReadonlyMap<string, EntryNode>, roots: readonly string[]): ReadonlySet<string> => {
  const found = new Set(roots);
  if (found.size === 0) return found;
  const children = new Map<string, string[]>();
  for (const [key, { past }] of byKey) {
    for (const parent of past) {
      const parentKey = bytesToHex(parent);
      children.set(parentKey, [...(children.get(parentKey) ?? []), key]);
    }
  }
  const open = [...roots];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    for (const child of children.get(next) ?? []) {
      if (found.has(child)) continue;
      found.add(child);
      open.push(child);
    }
  }
  return found;
};
