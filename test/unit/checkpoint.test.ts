import { describe, expect, it } from "vitest";
import { decodeCbor, encodeCbor, type CborValue } from "../../protocol/codec/cbor.ts";
import { decodeBundle, encodeBundle } from "../../protocol/checkpoint/bundle.ts";
import { type Checkpoint, encodeCheckpoint, readCheckpoint } from "../../protocol/checkpoint/checkpoint.ts";
import { encodeParts } from "../../protocol/entry/payload.ts";
import { signRecord } from "../../protocol/entry/record.ts";
import { bytesToHex } from "../../protocol/kernel/bytes.ts";
import { randomBelow } from "../../protocol/kernel/random.ts";
import { filled, must, native, withFlippedBit } from "../support/data-fixtures.ts";
import { bundleDependencies, createRecordHistory } from "../support/record-history.ts";
import { createSeededRandom } from "../support/seeded-random.ts";

const RUNS = Number(process.env["BUNDLE_RUNS"] ?? 12);

/** Everything about records that must come back. */
const shown = (
  records: readonly { readonly headerBytes: Uint8Array; readonly payload: Uint8Array; readonly iid: Uint8Array }[],
): string => records.map((one) => [one.headerBytes, one.payload, one.iid].map(bytesToHex).join()).join("\n");

/** The body of a bundle with something about it changed, in a bundle again. */
const edited = (payload: Uint8Array, edit: (body: CborValue[]) => void): Uint8Array => {
  const [, size, deflated] = must(decodeCbor(payload)) as [number, number, Uint8Array];
  const body = [...(must(decodeCbor(bundleDependencies.inflateRaw(deflated, size) as Uint8Array)) as CborValue[])];
  edit(body);
  const bytes = encodeCbor(body);
  return encodeCbor([1, bytes.length, bundleDependencies.deflateRaw(bytes)]);
};

describe("bundles", () => {
  it("CKP-1 records come back byte for byte, in one bundle and in several", () => {
    for (let run = 0; run < RUNS; run++) {
      const random = createSeededRandom(`bundle/${run}`);
      const { rid, records, payload } = createRecordHistory(random, 40);
      const whole = must(decodeBundle(bundleDependencies, rid, payload));
      expect(shown(whole.records)).toBe(shown(records));
      const cut = 1 + randomBelow(random, 38);
      for (const slice of [records.slice(0, cut), records.slice(cut)]) {
        const part = must(decodeBundle(bundleDependencies, rid, encodeBundle(bundleDependencies, slice)));
        expect(shown(part.records)).toBe(shown(slice));
      }
    }
  });

  it("CKP-1 a record of unusual form stands verbatim", () => {
    const device = native.signingKey(filled(1, 32));
    const rid = filled(2, 16);
    const header = {
      rid,
      sess: filled(3, 16),
      seq: 0,
      prev: filled(0, 32),
      parents: [],
      acl: [],
      gen: 7,
      parts: [],
      ts: 5,
    };
    const record = signRecord(native, device, header, encodeParts([{ type: "missingEpoch", eid: filled(4, 16) }]));
    const bundle = must(decodeBundle(bundleDependencies, rid, encodeBundle(bundleDependencies, [record])));
    expect(bundle.records[0]?.headerBytes).toEqual(record.headerBytes);
  });

  it("CKP-2 names the sessions with their range, the record before and the signature of the last", () => {
    const { rid, records, payload } = createRecordHistory(createSeededRandom("sessions"), 30);
    const { sessions } = must(decodeBundle(bundleDependencies, rid, payload));
    for (const { sess, from, to, iid, isig } of sessions) {
      const own = records.filter(({ header }) => header.sess.join() === sess.join());
      expect([from, to]).toEqual([0, own.length - 1]);
      expect([iid, isig]).toEqual([own.at(-1)?.iid, own.at(-1)?.isig]);
    }
    const unsigned = records.map((record) => ({ ...record, isig: undefined }));
    expect(() => encodeBundle(bundleDependencies, unsigned)).toThrow("signed");
  });

  it("I34 CKP-3 a forged, shortened or rearranged bundle is refused", () => {
    const random = createSeededRandom("forged");
    const { rid, payload } = createRecordHistory(random, 25);
    const refused = (given: Uint8Array): boolean => !decodeBundle(bundleDependencies, rid, given).ok;
    const [, size, deflated] = must(decodeCbor(payload)) as [number, number, Uint8Array];
    const body = bundleDependencies.inflateRaw(deflated, size) as Uint8Array;
    for (let run = 0; run < 300; run++) {
      const forged = withFlippedBit(body, randomBelow(random, body.length * 8));
      expect(refused(encodeCbor([1, size, bundleDependencies.deflateRaw(forged)])), `run ${run}`).toBe(true);
      expect(refused(payload.subarray(0, randomBelow(random, payload.length)))).toBe(true);
    }
    const swap = (body: CborValue[], at: number): void => {
      const sessions = (body[0] as CborValue[][]).map((one) => [...one]);
      const [one, two] = sessions as [CborValue[], CborValue[]];
      [one[at], two[at]] = [two[at] as CborValue, one[at] as CborValue];
      body[0] = sessions;
    };
    // Sessions ascribed to each other's device, numbers moved, another signature.
    for (const at of [0, 1, 4]) expect(refused(edited(payload, (given) => swap(given, at)))).toBe(true);
    expect(refused(edited(payload, (given) => (given[6] = (given[6] as number) - 1)))).toBe(true);
    expect(refused(edited(payload, () => undefined))).toBe(false);
  });

  it("I34 CKP-4 a bundle of another repository is refused", () => {
    const { payload } = createRecordHistory(createSeededRandom("foreign"), 10);
    expect(decodeBundle(bundleDependencies, filled(9, 16), payload)).toMatchObject({
      error: { type: "SessionForged" },
    });
  });

  it("CKP-5 stops at the announced size and at the output a bundle of its size may cause", () => {
    const { rid, payload } = createRecordHistory(createSeededRandom("bounds"), 10);
    const [, size, deflated] = must(decodeCbor(payload)) as [number, number, Uint8Array];
    expect(decodeBundle(bundleDependencies, rid, encodeCbor([1, size - 1, deflated]))).toMatchObject({ ok: false });
    const bomb = edited(payload, (body) => {
      // One actor named again and again by changes that are nothing else.
      body[3] = [filled(7, 64)];
      body[6] = 60_000;
      body[7] = filled(0, 4_000_000);
    });
    const before = process.cpuUsage().user;
    expect(decodeBundle(bundleDependencies, rid, bomb).ok).toBe(false);
    expect(process.cpuUsage().user - before).toBeLessThan(500_000);
  });
});

describe("checkpoints", () => {
  it("CKP-6 survive encoding, unknown versions are refused", () => {
    const checkpoint: Checkpoint = {
      sessions: [{ sess: filled(1, 16), devSig: filled(2, 32), seq: 7, iid: filled(3, 32) }],
      bundles: [{ oid: filled(4, 32), ranges: [[0, 0, 7]] }],
      aclOps: [{ header: filled(6, 90), sig: filled(7, 64) }],
      previous: null,
    };
    for (const previous of [null, filled(6, 32)])
      expect(must(readCheckpoint(encodeCheckpoint({ ...checkpoint, previous })))).toEqual({ ...checkpoint, previous });
    expect(readCheckpoint(encodeCbor([2, [], [], [], null]))).toMatchObject({ ok: false });
  });
});
