import { createHash } from "node:crypto";
import os from "node:os";
import path from "node:path";

interface OperationRequest {
  readonly id: number;
  readonly name: string;
  readonly input: unknown;
  /** Id or name of the identity it concerns. */
  readonly identity?: string;
}

/** One request of the control socket: a line of JSON. Byte strings travel as `{"$bytes": base64}`. */
export type ControlRequest =
  | { readonly type: "hello"; readonly token: string }
  | ({ readonly type: "invoke" } & OperationRequest)
  | ({ readonly type: "subscribe" } & OperationRequest)
  | { readonly type: "unsubscribe"; readonly id: number };

/** One answer; a subscription answers many times under its id. */
export interface ControlResponse {
  readonly id: number;
  readonly result: unknown;
}

/** A text of the longest accepted document with JSON escapes; longer lines end the connection. */
export const MAX_LINE_BYTES = 64 * 1024 * 1024;
export const TOKEN_FILE = "control-token";

/** Longest path the systems agree on for a Unix socket (macOS: 104 bytes with the end mark). */
const MAX_SOCKET_PATH = 103;

/** Where the node of a data folder listens; the same on both sides without being told. */
export const controlSocketPath = (dataDirectory: string): string => {
  const resolved = path.resolve(dataDirectory);
  const short = createHash("sha256").update(resolved).digest("hex").slice(0, 24);
  if (process.platform === "win32") return `\\\\.\\pipe\\p2pcollab-${short}`;
  const inside = path.join(resolved, "control.sock");
  return Buffer.byteLength(inside) <= MAX_SOCKET_PATH ? inside : path.join(os.tmpdir(), `p2pcollab-${short}.sock`);
};

/** `JSON.stringify` replacer for byte strings; sees a Buffer before its own `toJSON` turned it into numbers. */
function codeBytes(this: unknown, key: string, value: unknown): unknown {
  const original = (this as Readonly<Record<string, unknown>>)[key];
  return original instanceof Uint8Array ? { $bytes: Buffer.from(original).toString("base64") } : value;
}

/** JSON of a value that may hold byte strings. */
export const encodeJson = (value: unknown): string => JSON.stringify(value, codeBytes);

export const encodeLine = (message: ControlRequest | ControlResponse): string => `${encodeJson(message)}\n`;

/** Value of one line, `undefined` when it is not JSON. */
export const decodeLine = (line: string): unknown => {
  try {
    return JSON.parse(line, (_key, value: unknown) => {
      if (typeof value !== "object" || value === null) return value;
      const keys = Object.keys(value);
      const coded = (value as Record<string, unknown>)["$bytes"];
      return keys.length === 1 && typeof coded === "string" ? new Uint8Array(Buffer.from(coded, "base64")) : value;
    });
  } catch {
    return undefined;
  }
};

/** Splits a byte stream into lines; `tooLong` is called once when a line exceeds the limit. */
export const createLineReader = (onLine: (line: string) => void, tooLong: () => void): ((chunk: Buffer) => void) => {
  let held: Buffer[] = [];
  let size = 0;
  return (chunk) => {
    let rest = chunk;
    for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10)) {
      held.push(rest.subarray(0, end));
      onLine(Buffer.concat(held).toString("utf8"));
      held = [];
      size = 0;
      rest = rest.subarray(end + 1);
    }
    if (rest.length === 0) return;
    held.push(rest);
    size += rest.length;
    if (size > MAX_LINE_BYTES) {
      held = [];
      size = 0;
      tooLong();
    }
  };
};
