import type { ChangeInspector } from "../repositories/change-inspector.ts";
import { bytesToHex } from "../../protocol/kernel/bytes.ts";

/** Hashes of changes in hex; `undefined` when one is malformed. */
export const hashesIn = (inspect: ChangeInspector, changes: readonly Uint8Array[]): ReadonlySet<string> | undefined => {
  const hashes = new Set<string>();
  for (const bytes of changes) {
    const change = inspect(bytes);
    if (!change.ok) return undefined;
    hashes.add(bytesToHex(change.value.hash));
  }
  return hashes;
};

/** Changes that no other one builds on, as sorted hex; `undefined` when one is malformed or something it builds on is missing. */
export const headsIn = (inspect: ChangeInspector, changes: readonly Uint8Array[]): readonly string[] | undefined => {
  const heads = new Set<string>();
  const known = new Set<string>();
  for (const bytes of changes) {
    const change = inspect(bytes);
    if (!change.ok) return undefined;
    for (const dependency of change.value.dependencies) {
      const key = bytesToHex(dependency);
      if (!known.has(key)) return undefined;
      heads.delete(key);
    }
    const key = bytesToHex(change.value.hash);
    known.add(key);
    heads.add(key);
  }
  return [...heads].toSorted();
};
