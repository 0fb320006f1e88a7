import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { CORE_VERSIONS } from "../../protocol/core/messages.ts";
import { decodeCoreMessage, encodeCoreMessage } from "../../protocol/core/wire.ts";
import { encodeMessage, readMessage } from "../../protocol/invite/messages.ts";
import { bytesToHex, hexToBytes } from "../../protocol/kernel/bytes.ts";
import { encodePairingMessage, readPairingMessage } from "../../protocol/pairing/messages.ts";
import { PEER_VERSIONS } from "../../protocol/peer/messages.ts";
import { decodePeerMessage, encodePeerMessage } from "../../protocol/peer/wire.ts";
import { PROXY_VERSIONS } from "../../protocol/proxy/messages.ts";
import { decodeProxyMessage, encodeProxyMessage } from "../../protocol/proxy/wire.ts";
import { filled, must } from "../support/data-fixtures.ts";
import { proxyMessages } from "../support/proxy-messages.ts";

/** Frames as builds of each version sent them; the files never change. */
const FOLDER = path.join(import.meta.dirname, "data", "frames");

interface Spoken {
  /** The type of the message and how this build writes it again. */
  readonly again: (frame: Uint8Array) => readonly [type: string, frame: Uint8Array];
  readonly oldest: number;
  readonly newest: number;
}

const protocols: Readonly<Record<string, Spoken>> = {
  proxy: {
    ...PROXY_VERSIONS,
    again: (frame) => {
      const message = must(decodeProxyMessage(frame));
      return [message.type, encodeProxyMessage(message)];
    },
  },
  peer: {
    ...PEER_VERSIONS,
    again: (frame) => {
      const message = must(decodePeerMessage(frame));
      return [message.type, encodePeerMessage(message)];
    },
  },
  core: {
    ...CORE_VERSIONS,
    again: (frame) => {
      const message = must(decodeCoreMessage(frame, () => false));
      return [message.type, encodeCoreMessage(message, () => filled(15, 16))];
    },
  },
  pairing: {
    oldest: 1,
    newest: 1,
    again: (frame) => {
      const message = must(readPairingMessage(frame));
      return [message.type, encodePairingMessage(message)];
    },
  },
  rendezvous: {
    oldest: 1,
    newest: 1,
    again: (frame) => {
      const message = readMessage(frame);
      if (message === undefined) throw new Error("not read");
      return [message.type, encodeMessage(message)];
    },
  },
};

const framesOf = (name: string, version: number): readonly { readonly type: string; readonly frame: string }[] =>
  JSON.parse(readFileSync(path.join(FOLDER, `${name}-${version}.json`), "utf8")) as never;

describe.each(Object.entries(protocols))("PRX-1 frames of older builds: %s", (name, { oldest, newest, again }) => {
  const versions = Array.from({ length: newest - oldest + 1 }, (_, i) => oldest + i);

  test.each(versions)("version %i is read, every message of it", (version) => {
    for (const { type, frame } of framesOf(name, version)) {
      const [read, written] = again(hexToBytes(frame) ?? new Uint8Array(0));
      expect(read).toBe(type);
      expect(bytesToHex(written)).toBe(frame);
    }
  });

  test("frames are kept of each version that is spoken, and two older ones are as long as there are any", () => {
    const kept = readdirSync(FOLDER).filter((file) => file.startsWith(`${name}-`));
    expect(versions.map((version) => `${name}-${version}.json`).filter((file) => !kept.includes(file))).toEqual([]);
    expect(oldest).toBeLessThanOrEqual(Math.max(1, newest - 2));
  });
});

test("PRX-1 there is a frame of every kind of message between edge and proxy", () => {
  const types = new Set(framesOf("proxy", 1).map(({ type }) => type));
  expect([...types]).toEqual([...new Set(proxyMessages.map(({ type }) => type))]);
});
