import { readFileSync, renameSync, writeFileSync } from "node:fs";
import type { Background } from "../../app/contract/types.ts";

/** What the shell must know before a profile is unlocked, so beside the database and in clear. */
export interface ShellSettings {
  readonly whenClosed: () => Background["whenClosed"];
  readonly setWhenClosed: (value: Background["whenClosed"]) => void;
}

const CHOICES: readonly Background["whenClosed"][] = ["automatic", "keep", "quit"];

const stored = (file: string): Background["whenClosed"] => {
  try {
    const value: unknown = JSON.parse(readFileSync(file, "utf8"));
    const found = (value as { readonly whenClosed?: unknown } | null)?.whenClosed;
    return CHOICES.find((choice) => choice === found) ?? "automatic";
  } catch {
    return "automatic";
  }
};

/** Reads the settings kept in `file`; defaults where it is absent or unreadable. */
export const createShellSettings = (file: string): ShellSettings => {
  let whenClosed = stored(file);
  return {
    whenClosed: () => whenClosed,
    setWhenClosed: (value) => {
      whenClosed = value;
      writeFileSync(`${file}.tmp`, JSON.stringify({ whenClosed }));
      renameSync(`${file}.tmp`, file);
    },
  };
};
