import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { DEFAULT_CAPACITY } from "../proxy/proxy-defaults.ts";
import type { Background } from "../../app/contract/types.ts";

/** What the shell must know before a profile is unlocked, so beside the database and in clear. */
export interface ShellSettings {
  readonly whenClosed: () => Background["whenClosed"];
  readonly setWhenClosed: (value: Background["whenClosed"]) => void;
  /** Whether the app is an always-on node for others. */
  readonly serves: () => boolean;
  readonly setServes: (value: boolean) => void;
  /** Most bytes kept for others. */
  readonly capacity: () => number;
  readonly setCapacity: (bytes: number) => void;
}

interface Stored {
  readonly whenClosed: Background["whenClosed"];
  readonly serves: boolean;
  readonly capacity: number;
}

const CHOICES: readonly Background["whenClosed"][] = ["automatic", "keep", "quit"];
const DEFAULTS: Stored = { whenClosed: "automatic", serves: false, capacity: DEFAULT_CAPACITY };

const read = (file: string): Stored => {
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(file, "utf8"));
  } catch {
    return DEFAULTS;
  }
  if (typeof value !== "object" || value === null) return DEFAULTS;
  const { whenClosed, serves, capacity } = value as Partial<Record<keyof Stored, unknown>>;
  return {
    whenClosed: CHOICES.find((choice) => choice === whenClosed) ?? DEFAULTS.whenClosed,
    serves: serves === true,
    capacity: Number.isSafeInteger(capacity) && (capacity as number) > 0 ? (capacity as number) : DEFAULT_CAPACITY,
  };
};

/** Reads the settings kept in `file`; defaults where it is absent or unreadable. */
export const createShellSettings = (file: string): ShellSettings => {
  let current = read(file);
  const change = (part: Partial<Stored>): void => {
    current = { ...current, ...part };
    writeFileSync(`${file}.tmp`, JSON.stringify(current));
    renameSync(`${file}.tmp`, file);
  };
  return {
    whenClosed: () => current.whenClosed,
    setWhenClosed: (whenClosed) => change({ whenClosed }),
    serves: () => current.serves,
    setServes: (serves) => change({ serves }),
    capacity: () => current.capacity,
    setCapacity: (capacity) => change({ capacity }),
  };
};
