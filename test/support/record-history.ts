import { deflateRawSync } from "node:zlib";
import { encodeBundle } from "../../protocol/checkpoint/bundle.ts";
import { changeMeta } from "../../protocol/automerge-format/decode.ts";
import { encodeParts, type Part } from "../../protocol/entry/payload.ts";
import { type DocSpan, type SignedRecord, signRecord } from "../../protocol/entry/record.ts";
import { bytesToHex, hexToBytes } from "../../protocol/kernel/bytes.ts";
import { type RandomSource, randomBelow } from "../../protocol/kernel/random.ts";
import { createReplica } from "../../protocol/replica/replica.ts";
import { automergeDependencies } from "./automerge-dependencies.ts";
import { filled, must, native } from "./data-fixtures.ts";

export const bundleDependencies = {
  crypto: native,
  ...automergeDependencies,
  deflateRaw: (bytes: Uint8Array) => new Uint8Array(deflateRawSync(bytes)),
};

export interface RecordHistory {
  readonly rid: Uint8Array;
  /** Parents first. */
  readonly records: readonly SignedRecord[];
  /** All of them in one bundle. */
  readonly payload: Uint8Array;
}

const ZERO = new Uint8Array(32);
const DOCUMENTS = [filled(1, 16), filled(2, 16)];

/** `count` records of three sessions that write two documents, apart and together, with other parts among their changes. */
export const createRecordHistory = (random: RandomSource, count: number): RecordHistory => {
  const rid = random.bytes(16);
  const writers = [0, 1, 2].map(() => {
    const sess = random.bytes(16);
    const replicas = DOCUMENTS.map(() => createReplica(automergeDependencies, bytesToHex(sess)));
    return { device: native.signingKey(random.bytes(32)), sess, replicas, last: undefined as SignedRecord | undefined };
  });
  const changes: { readonly bytes: Uint8Array; readonly document: number }[] = [];
  const heard = writers.map(() => 0);
  const records: SignedRecord[] = [];
  const aclHeads = [[random.bytes(32)], [random.bytes(32), random.bytes(32)]];
  let heads: SignedRecord[] = [];
  let ts = 1_700_000_000;
  for (let index = 0; index < count; index++) {
    const at = randomBelow(random, writers.length);
    const writer = writers[at] as (typeof writers)[number];
    if (randomBelow(random, 2) === 0) {
      for (const { bytes, document } of changes.slice(heard[at])) writer.replicas[document]?.applyChanges([bytes]);
      heard[at] = changes.length;
    }
    ts += randomBelow(random, 40) - 5;
    const parts: Part[] = [];
    const spans: DocSpan[] = [];
    for (const [document, doc] of DOCUMENTS.entries()) {
      if (randomBelow(random, 3) === 0) continue;
      const replica = writer.replicas[document] as (typeof writer.replicas)[number];
      const made: Uint8Array[] = [];
      for (let n = 1 + randomBelow(random, 3); n > 0; n--) {
        const text = replica.objectAt(["text"]);
        const change = replica.change({ time: ts - n }, (transaction) => {
          if (text === undefined) transaction.putText("_root", "text", "start");
          else transaction.splice(text, randomBelow(random, replica.length(text) + 1), 0, `word ${index} `);
        });
        if (change !== undefined) made.push(change.bytes);
      }
      const first = must(changeMeta(made[0] as Uint8Array, automergeDependencies));
      const last = must(changeMeta(made.at(-1) as Uint8Array, automergeDependencies));
      spans.push({
        doc,
        aseqFrom: first.seq,
        n: made.length,
        lastChangeHash: hexToBytes(last.hash) as Uint8Array,
      });
      parts.push({ type: "changes", doc, changes: made });
      changes.push(...made.map((bytes) => ({ bytes, document })));
    }
    if (parts.length === 0 || randomBelow(random, 4) === 0)
      parts.splice(randomBelow(random, parts.length + 1), 0, { type: "missingEpoch", eid: random.bytes(16) });
    const parents = heads.filter((head) => head !== writer.last && randomBelow(random, 3) > 0);
    const gen = 1 + Math.max(-1, ...parents.map(({ header }) => header.gen), writer.last?.header.gen ?? -1);
    const record = signRecord(
      native,
      writer.device,
      {
        rid,
        sess: writer.sess,
        seq: writer.last === undefined ? 0 : writer.last.header.seq + 1,
        prev: writer.last?.iid ?? ZERO,
        parents: parents.map(({ iid }) => iid),
        acl: aclHeads[index < count / 2 ? 0 : 1] ?? [],
        gen,
        parts: spans,
        ts,
      },
      encodeParts(parts),
    );
    heads = [...heads.filter((head) => !parents.includes(head) && head !== writer.last), record];
    writer.last = record;
    records.push(record);
  }
  return { rid, records, payload: encodeBundle(bundleDependencies, records) };
};
