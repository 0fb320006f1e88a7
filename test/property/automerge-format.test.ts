import { deflateRawSync } from "node:zlib";
import * as A from "@automerge/automerge";
import fc from "fast-check";
import { expect, test } from "vitest";
import { ACTION, type ChangeOp } from "../../protocol/automerge-format/change.ts";
import { changeMeta, decodeChange } from "../../protocol/automerge-format/decode.ts";
import { encodeChange } from "../../protocol/automerge-format/encode.ts";
import { inspectChange } from "../../protocol/automerge-format/inspect.ts";
import { FORMAT_LIMITS } from "../../protocol/automerge-format/limits.ts";
import { preflight } from "../../protocol/automerge-format/preflight.ts";
import { decodeUtf8, encodeUtf8 } from "../../protocol/codec/utf8.ts";
import { bytesToHex } from "../../protocol/kernel/bytes.ts";
import { randomBelow } from "../../protocol/kernel/random.ts";
import { automergeDependencies } from "../support/automerge-dependencies.ts";
import { fuzzRound } from "../support/replica-fuzz.ts";
import { createSeededRandom } from "../support/seeded-random.ts";

const honestChanges = (seed: string, steps = 60): readonly Uint8Array[] => {
  const { peers } = fuzzRound(createSeededRandom(seed), () => undefined, steps);
  return A.getAllChanges((peers[0] as (typeof peers)[number]).doc);
};

const deflated = (change: Uint8Array): Uint8Array => {
  let at = 9;
  while ((change[at] as number) >= 128) at++;
  const body = deflateRawSync(change.subarray(at + 1));
  const length: number[] = [];
  for (let rest = body.length; ; rest >>= 7) {
    length.push(rest < 128 ? rest : (rest & 127) | 128);
    if (rest < 128) break;
  }
  return new Uint8Array([...change.subarray(0, 8), 2, ...length, ...body]);
};

test("AMF-1 decodes and re-encodes every honest change byte for byte, with Automerge's hash", () => {
  for (let seed = 0; seed < 8; seed++) {
    for (const bytes of honestChanges(`format/${seed}`)) {
      const decoded = decodeChange(bytes, automergeDependencies);
      const theirs = A.decodeChange(bytes);
      expect(decoded.ok, `seed ${seed}`).toBe(true);
      if (!decoded.ok) return;
      expect(decoded.value.hash).toBe(theirs.hash);
      expect(decoded.value.ops.length).toBe(theirs.ops.length);
      const encoded = encodeChange(decoded.value, automergeDependencies.sha256);
      expect(Buffer.from(encoded.bytes).equals(Buffer.from(bytes)), `seed ${seed}`).toBe(true);
      const small = deflated(bytes);
      expect(decodeChange(small, automergeDependencies)).toEqual(decoded);
      expect(A.decodeChange(small).hash).toBe(decoded.value.hash);
    }
  }
});

test("AMF-2 I38 preflight and meta count what a full decode gives, raw and deflated", () => {
  for (let seed = 0; seed < 8; seed++) {
    for (const bytes of honestChanges(`preflight/${seed}`)) {
      const { hash, actor, seq, startOp, time, deps, ops } = A.decodeChange(bytes);
      const facts = { actor, seq, startOp, time, opCount: ops.length, maxOp: startOp + ops.length - 1 };
      for (const form of [bytes, deflated(bytes)]) {
        expect(preflight(form, automergeDependencies)).toEqual({
          ok: true,
          value: [{ type: "change", ...facts, dependencies: [...deps].sort() }],
        });
        expect(changeMeta(form, automergeDependencies)).toEqual({
          ok: true,
          value: { ...facts, hash, dependencies: [...deps].sort() },
        });
      }
    }
  }
});

test("AMF-2 I38 a saved document counts its changes and every operation it stores", () => {
  for (let seed = 0; seed < 8; seed++) {
    const { peers } = fuzzRound(createSeededRandom(`document/${seed}`), () => undefined);
    const { doc } = peers[0] as (typeof peers)[number];
    const counted = preflight(A.save(doc), automergeDependencies);
    expect(counted.ok).toBe(true);
    if (!counted.ok) return;
    const all = A.getAllChanges(doc).map((change) => A.decodeChange(change));
    const stored = all.flatMap((change) => change.ops).filter((op) => op.action !== "del").length;
    expect(counted.value).toMatchObject([
      { type: "document", changeCount: all.length, heads: [...A.getHeads(doc)].sort(), isDeferred: false },
    ]);
    expect(counted.value[0]?.opCount).toBeGreaterThanOrEqual(stored);
  }
});

test("AMF-3 decoders never throw: random bytes", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      expect(decodeChange(bytes, automergeDependencies).ok).toBe(false);
      preflight(bytes, automergeDependencies);
      const body = new Uint8Array([0x85, 0x6f, 0x4a, 0x83, 0, 0, 0, 0, bytes.length % 3, bytes.length & 127, ...bytes]);
      preflight(body, automergeDependencies);
    }),
    { numRuns: 2000 },
  );
});

test("AMF-3 what is accepted after mutation is canonical; everything else is refused without a throw", () => {
  const rounds = Number(process.env["FORMAT_MUTATIONS"] ?? 20_000);
  const random = createSeededRandom("mutations");
  const honest = honestChanges("mutated", 80);
  const trusting = { ...automergeDependencies, sha256: () => new Uint8Array(32) };
  let accepted = 0;
  for (let i = 0; i < rounds; i++) {
    const bytes = Uint8Array.from(honest[randomBelow(random, honest.length)] as Uint8Array);
    bytes.fill(0, 4, 8);
    for (let k = randomBelow(random, 3); k >= 0; k--)
      bytes[9 + randomBelow(random, bytes.length - 9)] = randomBelow(random, 256);
    preflight(bytes, automergeDependencies);
    const decoded = decodeChange(bytes, trusting);
    if (!decoded.ok) continue;
    accepted++;
    const again = encodeChange(decoded.value, trusting.sha256).bytes;
    expect(Buffer.from(again).toString("hex"), `round ${i}`).toBe(Buffer.from(bytes).toString("hex"));
  }
  expect(accepted).toBeGreaterThan(rounds / 1000);
});

test("AMF-6 inspecting in one pass agrees with preflight and meta on honest, deflated and mutated changes", () => {
  const rounds = Number(process.env["FORMAT_MUTATIONS"] ?? 20_000);
  const random = createSeededRandom("inspected");
  const honest = honestChanges("inspected", 80);
  const trusting = { ...automergeDependencies, sha256: () => new Uint8Array(32) };
  const agree = (bytes: Uint8Array, dependencies: typeof automergeDependencies, what: string): boolean => {
    const inspected = inspectChange(bytes, dependencies);
    const counted = preflight(bytes, dependencies);
    const meta = changeMeta(bytes, dependencies);
    expect(inspected.ok, what).toBe(counted.ok && meta.ok);
    if (!inspected.ok || !meta.ok) return false;
    const { hash, actor, dependencies: links, ...numbers } = inspected.value;
    const { opCount, ...expected } = meta.value;
    const hex = { hash: bytesToHex(hash), actor: bytesToHex(actor), dependencies: links.map(bytesToHex) };
    expect({ ...numbers, ...hex }, what).toEqual(expected);
    expect(opCount).toBe(numbers.maxOp - numbers.startOp + 1);
    return true;
  };
  for (const bytes of honest) for (const form of [bytes, deflated(bytes)]) agree(form, automergeDependencies, "honest");
  let accepted = 0;
  for (let i = 0; i < rounds; i++) {
    let bytes = Uint8Array.from(honest[randomBelow(random, honest.length)] as Uint8Array);
    bytes.fill(0, 4, 8);
    for (let k = randomBelow(random, 3); k >= 0; k--)
      bytes[9 + randomBelow(random, bytes.length - 9)] = randomBelow(random, 256);
    if (randomBelow(random, 8) === 0) bytes = bytes.subarray(0, randomBelow(random, bytes.length));
    if (agree(bytes, trusting, `round ${i}`)) accepted++;
  }
  expect(accepted).toBeGreaterThan(rounds / 100);
});

test("AMF-4 I39 a kilobyte never costs more than 50 ms or 20 MB before it is refused or counted", () => {
  const runs = (specification: number, run: readonly number[]): Uint8Array => {
    const column = new Uint8Array(run);
    const header = [0, 1, 0xaa, 1, 1, 0, 0, 0];
    return new Uint8Array([...header, 1, specification, column.length, ...column]);
  };
  const frame = (type: number, body: Uint8Array): Uint8Array => {
    const length = [(body.length & 127) | 128, (body.length >> 7) & 127];
    return new Uint8Array([0x85, 0x6f, 0x4a, 0x83, 0, 0, 0, 0, type, ...length, ...body]);
  };
  const memory = (): number => {
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    return heapUsed + arrayBuffers;
  };
  const huge = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f];
  const zeros = deflateRawSync(new Uint8Array(1_000_000));
  const inputs = [
    frame(1, runs(0x42, [...huge, 1])),
    frame(1, runs(0x70, [0xff, 0xff, 0x03, ...huge])),
    frame(1, runs(0x34, huge)),
    frame(1, runs(0x56, [0xff, 0xff, 0x03, 0xf6, 0xff, 0x7f])),
    frame(2, zeros),
    frame(2, deflateRawSync(runs(0x42, [0x80, 0x80, 0x04, 1]))),
    ...Array.from({ length: 40 }, (_, i) => createSeededRandom(`kilobyte/${i}`).bytes(1024)),
  ];
  for (const input of inputs) {
    expect(input.length).toBeLessThanOrEqual(1100);
    const held = memory();
    const cpu = process.cpuUsage();
    const counted = preflight(input, automergeDependencies);
    const { user, system } = process.cpuUsage(cpu);
    expect((user + system) / 1000).toBeLessThan(50);
    expect(memory() - held).toBeLessThan(20_000_000);
    if (counted.ok) for (const chunk of counted.value) expect(chunk.opCount).toBeLessThanOrEqual(FORMAT_LIMITS.cells);
  }
});

test("AMF-4 inflating stops at the limit, summed over chunks", () => {
  const bomb = deflateRawSync(new Uint8Array(900_000));
  const body = [0x85, 0x6f, 0x4a, 0x83, 0, 0, 0, 0, 2, (bomb.length & 127) | 128, bomb.length >> 7, ...bomb];
  const limits = { ...FORMAT_LIMITS, inflatedBytes: 800_000 };
  expect(preflight(new Uint8Array(body), automergeDependencies, limits)).toMatchObject({
    ok: false,
    error: { rule: "deflate" },
  });
  expect(decodeChange(new Uint8Array(body), automergeDependencies, limits)).toMatchObject({
    ok: false,
    error: { rule: "deflate" },
  });
});

test("UTF-8 agrees with the platform, and refuses what the platform refuses", () => {
  const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  const reference = (bytes: Uint8Array): string | undefined => {
    try {
      return strict.decode(bytes);
    } catch {
      return undefined;
    }
  };
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 60 }), (text) => {
      expect(Buffer.from(encodeUtf8(text)).equals(Buffer.from(text.toWellFormed()))).toBe(true);
      expect(decodeUtf8(encodeUtf8(text))).toBe(text.toWellFormed());
    }),
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 12 }), (bytes) => {
      expect(decodeUtf8(bytes)).toBe(reference(bytes));
    }),
    { numRuns: 5000 },
  );
  const long = "\u{1f600}a".repeat(5000);
  expect(decodeUtf8(encodeUtf8(long))).toBe(long);
});

test("AMF-5 refuses integers beyond 2^53, counters beyond 2^32, foreign NaNs and ids that do not precede the operation", () => {
  const trusting = { ...automergeDependencies, sha256: () => new Uint8Array(32) };
  const base: ChangeOp = {
    action: ACTION.set,
    object: undefined,
    key: "k",
    element: undefined,
    insert: false,
    value: null,
    predecessors: [],
    expand: false,
    markName: undefined,
  };
  const encoded = (op: Partial<ChangeOp>, startOp = 5): Uint8Array => {
    const ops = [{ ...base, ...op }];
    const content = { actors: ["aa"], seq: 1, startOp, time: 0, message: "", dependencies: [], ops };
    return encodeChange(content, trusting.sha256).bytes;
  };
  /** Bytes stored as a byte string, then declared to be of another type. */
  const retyped = (value: readonly number[], type: number): Uint8Array => {
    const bytes = Buffer.from(encoded({ value: new Uint8Array(value) }));
    const metadata = (value.length << 4) | 7;
    const at = bytes.lastIndexOf(Buffer.from(metadata < 128 ? [metadata] : [(metadata & 127) | 128, metadata >> 7]));
    bytes[at] = (bytes[at] as number) - 7 + type;
    return new Uint8Array(bytes);
  };
  const rule = (bytes: Uint8Array): string => {
    const decoded = decodeChange(bytes, trusting);
    return decoded.ok ? "accepted" : decoded.error.rule;
  };
  const nan = [0, 0, 0, 0, 0, 0, 0xf8, 0x7f];
  expect(rule(encoded({}))).toBe("accepted");
  expect(rule(retyped([0x7f], 4))).toBe("accepted");
  expect(rule(retyped(nan, 5))).toBe("accepted");
  expect(rule(retyped([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x3f], 4))).toBe("number value");
  expect(rule(retyped([0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10], 3))).toBe("number value");
  expect(rule(retyped([1, ...nan.slice(1)], 5))).toBe("not a number");
  expect(rule(encoded({}, 0xffff_ffff))).toBe("accepted");
  expect(rule(encoded({}, 0x1_0000_0000))).toBe("counter beyond 2^32");
  expect(rule(encoded({ predecessors: [{ counter: 4, actor: 0 }] }))).toBe("accepted");
  for (const counter of [5, 6]) {
    expect(rule(encoded({ predecessors: [{ counter, actor: 0 }] }))).toBe("operation id");
    expect(rule(encoded({ object: { counter, actor: 0 } }))).toBe("operation id");
  }
});
