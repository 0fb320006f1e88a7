import { err, ok, type Result } from "./result.ts";

/** Versions of a protocol that this build speaks, both included. */
export interface VersionRange {
  readonly oldest: number;
  readonly newest: number;
}

/** There is no version in common; `toUpdate` is the side that is behind. */
export interface VersionRefused {
  readonly type: "VersionRefused";
  readonly ours: VersionRange;
  readonly theirs: number;
  readonly toUpdate: "us" | "them";
}

/** Both sides name their newest version and speak the lower one; refused is who stopped before our oldest. */
export const agreeOnVersion = (ours: VersionRange, theirs: number): Result<number, VersionRefused> =>
  theirs < ours.oldest
    ? err({ type: "VersionRefused", ours, theirs, toUpdate: "them" })
    : ok(Math.min(ours.newest, theirs));

/** Takes the version the other side chose after hearing our newest. */
export const takeVersion = (ours: VersionRange, chosen: number): Result<number, VersionRefused> =>
  chosen > ours.newest
    ? err({ type: "VersionRefused", ours, theirs: chosen, toUpdate: "us" })
    : agreeOnVersion(ours, chosen);
