import type { VersionRefused } from "../../protocol/kernel/versions.ts";

/** What a person can do about two builds that have no version in common. */
export const versionWords = ({ toUpdate }: Pick<VersionRefused, "toUpdate">): string =>
  toUpdate === "us"
    ? "The other side needs a newer version of this app: update it."
    : "The other side runs a version that is too old: it has to be updated.";
