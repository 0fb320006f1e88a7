import { describe, expect, test } from "vitest";
import type { ContactRecord } from "../../app/contacts/contact-record.ts";
import { decodeContactRecord, encodeContactRecord } from "../../app/contacts/contact-record.ts";
import { namesakeOf, standingOf } from "../../app/contacts/standing.ts";

const record = (more: Partial<ContactRecord>): ContactRecord => ({
  name: "",
  called: "",
  state: "known",
  verifiedAt: null,
  firstSeen: 1_000,
  changedAt: 0,
  card: null,
  ...more,
});
const ids = { ben: "aa".repeat(32), other: "bb".repeat(32) };

describe("what is known of a person", () => {
  test("a record survives, damaged ones are refused", () => {
    const kept = record({
      name: "Ben",
      called: "B.",
      state: "blocked",
      verifiedAt: 5,
      changedAt: 7,
      card: new Uint8Array(9),
    });
    const encoded = encodeContactRecord(kept);
    expect(decodeContactRecord(encoded)).toEqual(kept);
    for (let cut = 0; cut < encoded.length; cut++)
      expect(decodeContactRecord(encoded.subarray(0, cut))).toBeUndefined();
  });

  test("the earlier and the verified person own a name, whatever its case, width and spaces", () => {
    const known = new Map([[ids.ben, record({ called: "Ben Haddad" })]]);
    expect(standingOf(known, ids.other, "ben  ＨADDAD ")).toBe("namesake");
    expect(standingOf(known, ids.other, "Ben Hadda")).toBe("new");
    expect(standingOf(known, ids.ben, "Ben Haddad")).toBe("known");
    const both = new Map([...known, [ids.other, record({ called: "Ben Haddad", firstSeen: 2_000 })]]);
    expect(namesakeOf(both, ids.other, "Ben Haddad")).toBe(ids.ben);
    expect(namesakeOf(both, ids.ben, "Ben Haddad")).toBeUndefined();
    const verified = new Map([
      ...both,
      [ids.other, record({ called: "Ben Haddad", firstSeen: 2_000, verifiedAt: 3_000 })],
    ]);
    expect(standingOf(verified, ids.other, "Ben Haddad")).toBe("verified");
    expect(namesakeOf(verified, ids.ben, "Ben Haddad")).toBe(ids.other);
  });

  test("nobody is the namesake of a person without a name, nor of one who was removed", () => {
    const known = new Map([
      [ids.ben, record({})],
      ["cc".repeat(32), record({ called: "Ben", state: "removed" as const })],
    ]);
    expect(standingOf(known, ids.other, "")).toBe("new");
    expect(standingOf(known, ids.other, "Ben")).toBe("new");
  });
});
