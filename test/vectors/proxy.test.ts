import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { bytesToHex, hexToBytes } from "../../protocol/kernel/bytes.ts";
import { decodeProxyMessage, encodeProxyMessage } from "../../protocol/proxy/wire.ts";
import { must } from "../support/data-fixtures.ts";
import { proxyMessages } from "../support/proxy-messages.ts";

/** Frames as version 1 wrote them. A later version reads them as long as it negotiates that version; the file never changes. */
const file = path.join(import.meta.dirname, "data", "proxy", "frames-1.json");
const frames = JSON.parse(readFileSync(file, "utf8")) as readonly { readonly type: string; readonly frame: string }[];

describe("PRX-1 frames of version 1", () => {
  test.each(frames.map(({ type, frame }) => [type, frame] as const))("%s is read", (type, frame) => {
    const message = must(decodeProxyMessage(hexToBytes(frame) ?? new Uint8Array(0)));
    expect(message.type).toBe(type);
    expect(bytesToHex(encodeProxyMessage(message))).toBe(frame);
  });

  test("there is one of every kind of message", () => {
    expect([...new Set(frames.map(({ type }) => type))]).toEqual([...new Set(proxyMessages.map(({ type }) => type))]);
  });
});
