import { describe, expect, test } from "vitest";
import type { RandomSource } from "../../protocol/kernel/random.ts";
import { PROXY_APPLICATION, PROXY_VERSIONS } from "../../protocol/proxy/messages.ts";
import { formatProxyLink, parseProxyLink } from "../../protocol/proxy/proxy-link.ts";
import { decodeProxyMessage, encodeProxyMessage } from "../../protocol/proxy/wire.ts";
import { filled, must } from "../support/data-fixtures.ts";
import { proxyMessages as messages } from "../support/proxy-messages.ts";
import { createSeededRandom } from "../support/seeded-random.ts";

const RUNS = Number(process.env["DECODER_RUNS"] ?? 400);
const mutated = (random: RandomSource, valid: Uint8Array): Uint8Array => {
  const kind = random.uint32() % 4;
  if (kind === 0) return random.bytes(random.uint32() % 512);
  if (kind === 1) return valid.slice(0, random.uint32() % (valid.length + 1));
  const out = valid.slice();
  for (let i = 0; i < 1 + (random.uint32() % 4); i++) out[random.uint32() % out.length] = random.uint32() & 255;
  return out;
};

describe("PRX-1 messages", () => {
  test.each(messages.map((message) => [message.type, message] as const))(
    "%s decodes to what was encoded",
    (_, given) => {
      expect(must(decodeProxyMessage(encodeProxyMessage(given)))).toEqual(given);
    },
  );

  test("I40 the decoder is total on any bytes, and what it accepts has one encoding only", () => {
    const random = createSeededRandom("proxy/decoder");
    for (const message of messages) {
      const valid = encodeProxyMessage(message);
      for (let run = 0; run < RUNS; run++) {
        const input = mutated(random, valid);
        const decoded = decodeProxyMessage(input);
        const isOpen = decoded.ok && (decoded.value.type === "hello" || decoded.value.type === "welcome");
        if (decoded.ok && !isOpen)
          expect(encodeProxyMessage(decoded.value), Buffer.from(input).toString("hex")).toEqual(input);
      }
    }
  });

  test("hello and welcome may be longer in a later version, nothing else may", () => {
    for (const message of messages) {
      const encoded = encodeProxyMessage(message);
      const longer = Uint8Array.from([(encoded[0] as number) + 1, ...encoded.subarray(1), 0]);
      expect(decodeProxyMessage(longer).ok, message.type).toBe(message.type === "hello" || message.type === "welcome");
    }
  });
});

test("PRX-2 another version of the protocol keeps the prologue: versions are negotiated inside", () => {
  expect([PROXY_APPLICATION, PROXY_VERSIONS]).toEqual(["p2pc-proxy/1", { oldest: 1, newest: 1 }]);
});

describe("PRX-20 links", () => {
  const link = {
    staticPk: filled(1, 32),
    code: filled(7, 16),
    addresses: ["proxy.example:4711", "[2001:db8::1]:4711"],
  };

  test("a link says the same after it was pasted", () => {
    expect(must(parseProxyLink(` ${formatProxyLink(link)}\n`))).toEqual(link);
    expect(must(parseProxyLink(formatProxyLink({ ...link, code: null })))).toEqual({ ...link, code: null });
  });

  test("anything else is refused without a throw", () => {
    const random = createSeededRandom("proxy/link");
    const valid = Buffer.from(formatProxyLink(link).slice("p2pc:x/".length), "base64url");
    for (let run = 0; run < RUNS; run++)
      parseProxyLink(`p2pc:x/${Buffer.from(mutated(random, valid)).toString("base64url")}`);
    expect(parseProxyLink("p2pc:j/AAAA")).toMatchObject({ ok: false, error: { type: "NotAProxyLink" } });
    expect(parseProxyLink("p2pc:x/A!")).toMatchObject({ ok: false, error: { type: "NotAProxyLink" } });
    expect(parseProxyLink(`p2pc:x/${"A".repeat(4_096)}`)).toMatchObject({ ok: false });
  });
});
