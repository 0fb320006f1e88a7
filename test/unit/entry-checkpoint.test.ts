import { describe, expect, it } from "vitest";
import { encodeCbor } from "../../protocol/codec/cbor.ts";
import {
  type Checkpoint,
  encodeBundle,
  encodeCheckpoint,
  readBundle,
  readCheckpoint,
  type Snapshot,
} from "../../protocol/entry/checkpoint.ts";
import { filled, must } from "../support/data-fixtures.ts";

describe("checkpoints", () => {
  const full: Snapshot = {
    doc: filled(1, 16),
    mode: "full",
    baseHeads: [],
    heads: [filled(2, 32)],
    bytes: filled(3, 500),
    attestations: [{ headerBytes: filled(4, 200), isig: filled(5, 64) }],
  };
  const checkpoint: Checkpoint = {
    sessions: [{ sess: filled(1, 16), devSig: filled(2, 32), seq: 7, iid: filled(3, 32) }],
    docs: [{ doc: filled(1, 16), bundles: [filled(4, 32)], heads: [filled(5, 32)] }],
    aclOps: [{ header: filled(6, 90), sig: filled(7, 64) }],
    identityOps: [{ header: filled(8, 90), sig: filled(9, 64) }],
    previous: null,
  };

  it("CKP-1 bundles and checkpoints survive", () => {
    const snapshots: readonly Snapshot[] = [full, { ...full, mode: "delta", baseHeads: [filled(9, 32)] }];
    expect(must(readBundle(encodeBundle(snapshots)))).toEqual(snapshots);
    for (const previous of [null, filled(6, 32)]) {
      expect(must(readCheckpoint(encodeCheckpoint({ ...checkpoint, previous })))).toEqual({ ...checkpoint, previous });
    }
  });

  it("CKP-1 refuses unknown modes and versions", () => {
    expect(readBundle(encodeCbor([[filled(1, 16), 2, [], [], filled(3, 5), []]]))).toMatchObject({ ok: false });
    expect(readCheckpoint(encodeCbor([2, [], [], [], [], null]))).toMatchObject({ ok: false });
  });
});
