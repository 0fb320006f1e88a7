import { describe, expect, it } from "vitest";
import { type CborValue, decodeCbor, encodeCbor } from "../../protocol/codec/cbor.ts";
import { ITEM_KINDS, openItem, sealItem } from "../../protocol/entry/item.ts";
import { checkSpans, encodeParts, type Part, readParts } from "../../protocol/entry/payload.ts";
import { readRecord, type RecordHeader, signRecord } from "../../protocol/entry/record.ts";
import { filled, must, native, withFlippedBit } from "../support/data-fixtures.ts";

const device = native.signingKey(filled(3, 32));
const payload = encodeParts([{ type: "changes", doc: filled(6, 16), changes: [filled(9, 60)] }]);
const fields: Omit<RecordHeader, "devSig"> = {
  rid: filled(4, 16),
  sess: filled(5, 16),
  seq: 0,
  prev: filled(0, 32),
  parents: [],
  acl: [filled(7, 32)],
  gen: 0,
  parts: [{ doc: filled(6, 16), aseqFrom: 1, n: 1, lastChangeHash: filled(8, 32) }],
  ts: 1_763_800_000,
};
const record = signRecord(native, device, fields, payload);
const place = { rid: fields.rid, gen: 0 };

const resigned = (change: (header: CborValue[]) => void, by = device): Uint8Array => {
  const header = [...(must(decodeCbor(record.headerBytes)) as readonly CborValue[])];
  change(header);
  const headerBytes = encodeCbor(header);
  return encodeCbor([headerBytes, by.sign(Buffer.concat([Buffer.from("p2pc/inner/1\0"), headerBytes])), payload]);
};
const refusal = (bytes: Uint8Array, where = place): string => {
  const read = readRecord(native, bytes, where);
  return read.ok ? "accepted" : read.error.type === "DecodeError" ? read.error.rule : read.error.type;
};

describe("inner record", () => {
  it("REC-1 reads what was signed", () => {
    const read = must(readRecord(native, record.bytes, place));
    expect(read.header).toEqual({ ...fields, devSig: device.publicKey });
    expect(read.iid).toEqual(record.iid);
  });

  it("I1 every single-bit change of a record is refused", () => {
    for (let bit = 0; bit < record.bytes.length * 8; bit++) {
      expect(readRecord(native, withFlippedBit(record.bytes, bit), place).ok, `bit ${bit}`).toBe(false);
    }
  }, 60_000);

  it("REC-2 wrapping a record again, under other keys and salt, keeps its iid and signature", () => {
    const wrap = (seed: number) => {
      const readKey = filled(seed, 32);
      const origin = {
        kind: ITEM_KINDS.entry,
        topicKey: native.signingKey(filled(seed, 32)),
        gen: 0,
        salt: filled(seed, 16),
      };
      const item = must(sealItem(native, origin, readKey, record.bytes));
      return { oid: item.oid, read: must(readRecord(native, must(openItem(native, item, readKey)), place)) };
    };
    const [first, second] = [wrap(41), wrap(42)];
    expect(first.oid).not.toEqual(second.oid);
    expect(first.read.iid).toEqual(record.iid);
    expect(second.read.iid).toEqual(record.iid);
    expect(second.read.isig).toEqual(record.isig);
  });

  it("REC-3 names the first broken rule in the order of the specification", () => {
    expect(refusal(record.bytes, { rid: filled(1, 16), gen: 1 })).toBe("ForeignRepository");
    expect(refusal(record.bytes, { ...place, gen: 1 })).toBe("GenMismatch");
    expect(refusal(resigned(() => {}, native.signingKey(filled(9, 32))))).toBe("DeviceSignatureInvalid");
    expect(refusal(resigned((header) => (header[11] = filled(0, 32))))).toBe("PayloadHashMismatch");
    expect(refusal(resigned((header) => (header[0] = 2)))).toBe("expected 1");
    expect(refusal(resigned((header) => (header[6] = Array.from({ length: 17 }, () => filled(0, 32)))))).toBe(
      "expected 0 to 16 items",
    );
    expect(refusal(resigned((header) => (header[7] = Array.from({ length: 17 }, () => filled(0, 32)))))).toBe(
      "expected 0 to 16 items",
    );
  });
});

describe("payload parts", () => {
  const all: readonly Part[] = [
    { type: "changes", doc: filled(1, 16), changes: [filled(2, 5), filled(3, 6)] },
    { type: "aclOp", header: filled(4, 90), sig: filled(5, 64) },
    { type: "receipt", integrated: [[filled(6, 16), 41]] },
    {
      type: "attachments",
      doc: filled(1, 16),
      added: [{ root: filled(7, 32), key: filled(8, 32), size: 9 }],
      removed: [filled(9, 32)],
    },
    { type: "mergedTopic", eids: [filled(1, 16), filled(2, 16)], topicPk: filled(3, 32) },
    { type: "missingEpoch", eid: filled(4, 16) },
  ];

  it("REC-4 every part survives", () => {
    expect(must(readParts(encodeParts(all)))).toEqual(all);
    for (const part of all) expect(must(readParts(encodeParts([part])))).toEqual([part]);
  });

  it("REC-4 refuses the reserved bundle part and unknown ones", () => {
    for (const tag of [6, 7, 23]) {
      expect(readParts(encodeCbor([[tag, filled(1, 16), filled(2, 5)]]))).toMatchObject({
        ok: false,
        error: { rule: `unknown tag ${tag}` },
      });
    }
  });

  it("REC-5 spans and change parts must agree", () => {
    const parts = all.filter((part) => part.type === "changes");
    const span = { doc: filled(1, 16), aseqFrom: 1, n: 2, lastChangeHash: filled(0, 32) };
    const verdict = (spans: RecordHeader["parts"], some: readonly Part[] = parts): string => {
      const checked = checkSpans({ parts: spans }, some);
      return checked.ok ? "accepted" : checked.error.rule;
    };
    expect(verdict([span])).toBe("accepted");
    expect(verdict([])).toBe("spans and change parts differ in number");
    expect(verdict([{ ...span, n: 1 }])).toBe("a span does not describe its change part");
    expect(verdict([{ ...span, doc: filled(2, 16) }])).toBe("a span does not describe its change part");
    expect(verdict([{ ...span, aseqFrom: 0 }])).toBe("change sequence numbers start at 1");
    expect(verdict([span, span], [...parts, ...parts])).toBe("a document has two spans");
    expect(verdict([{ ...span, n: 0 }], [{ type: "changes", doc: span.doc, changes: [] }])).toBe(
      "a span without changes",
    );
  });
});
