import { closeSync, fstatSync, mkdirSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import path from "node:path";
import type { Log } from "../../app/ports/log.ts";

export type LogLevel = keyof Log;
type LogFields = NonNullable<Parameters<Log["info"]>[1]>;

const ORDER: Readonly<Record<LogLevel, number>> = { debug: 0, info: 1, warn: 2, error: 3 };
/** Four files of 4 MiB: weeks of info, minutes of debug, and small enough to attach to a report. */
const MAX_FILE_BYTES = 4 * 1_048_576;
const KEPT_FILES = 4;
const MAX_FIELD_LENGTH = 500;

export interface JsonLogOptions {
  readonly folder: string;
  readonly level: LogLevel;
  /** Unix milliseconds. */
  readonly now: () => number;
  /** Also writes warnings and errors to the terminal. */
  readonly stderr: boolean;
}

export interface JsonLog extends Log {
  readonly file: string;
  readonly close: () => void;
}

/** Ids, keys and links are recognised by their form and cut to eight digits, so that no whole one reaches the file. */
const shorten = (text: string): string =>
  text
    .replace(/[0-9a-fA-F]{16,}/g, (hex) => `${hex.slice(0, 8)}…`)
    .replace(/[A-Za-z0-9_-]{40,}/g, (token) => `${token.slice(0, 8)}…`)
    .slice(0, MAX_FIELD_LENGTH);

const cleaned = (fields: LogFields): LogFields =>
  Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [name, typeof value === "string" ? shorten(value) : value]),
  );

const rotate = (file: string): void => {
  rmSync(`${file}.${KEPT_FILES - 1}`, { force: true });
  for (let age = KEPT_FILES - 2; age >= 0; age--) {
    const from = age === 0 ? file : `${file}.${age}`;
    try {
      renameSync(from, `${file}.${age + 1}`);
    } catch (cause) {
      if (!(cause instanceof Error && "code" in cause && cause.code === "ENOENT")) throw cause;
    }
  }
};

/** Log as JSON lines in `folder`/node.log, one line per event, rotated by size. */
export const createJsonLog = (options: JsonLogOptions): JsonLog => {
  mkdirSync(options.folder, { recursive: true, mode: 0o700 });
  const file = path.join(options.folder, "node.log");
  let descriptor = openSync(file, "a", 0o600);
  let size = fstatSync(descriptor).size;
  let closed = false;

  const append = (line: string): void => {
    if (size > MAX_FILE_BYTES) {
      closeSync(descriptor);
      rotate(file);
      descriptor = openSync(file, "a", 0o600);
      size = 0;
    }
    size += writeSync(descriptor, line);
  };

  const writer =
    (level: LogLevel): Log["info"] =>
    (event, fields = {}) => {
      if (closed || ORDER[level] < ORDER[options.level]) return;
      const time = new Date(options.now()).toISOString();
      const line = `${JSON.stringify({ time, level, event, ...cleaned(fields) })}\n`;
      try {
        append(line);
      } catch (cause) {
        // A full disk must not stop the node because of its log; the terminal still hears of it.
        process.stderr.write(`log: ${String(cause)}\n${line}`);
        return;
      }
      if (options.stderr && ORDER[level] >= ORDER.warn) process.stderr.write(line);
    };

  return {
    file,
    debug: writer("debug"),
    info: writer("info"),
    warn: writer("warn"),
    error: writer("error"),
    close: () => {
      if (closed) return;
      closed = true;
      closeSync(descriptor);
    },
  };
};
