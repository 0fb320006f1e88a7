import fc from "fast-check";
import { expect, test } from "vitest";
import type { ListedIdentity } from "../../app/identities/identity-list.ts";
import {
  decodeIdentityList,
  encodeIdentityList,
  MAX_IDENTITIES,
  nextColour,
} from "../../app/identities/identity-list.ts";
import { IDENTITY_COLOURS } from "../../app/contract/types.ts";

const one: ListedIdentity = { id: "00112233445566ff", name: "Ada", colour: "teal" };

test("a list of identities comes back as it was written", () => {
  const list = fc.uniqueArray(
    fc.record({
      id: fc.stringMatching(/^[0-9a-f]{16}$/),
      name: fc.string({ unit: "grapheme", maxLength: 60 }),
      colour: fc.constantFrom(...IDENTITY_COLOURS),
    }),
    { selector: ({ id }) => id, maxLength: MAX_IDENTITIES },
  );
  fc.assert(
    fc.property(list, (identities) => {
      expect(decodeIdentityList(encodeIdentityList(identities))).toEqual({ ok: true, value: identities });
    }),
  );
});

test("no text makes the reader of the list throw, and every deviation is refused", () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
      expect(decodeIdentityList(text).ok).toBe(false);
    }),
  );
  const variants: readonly unknown[] = [
    { version: "2", identities: [] },
    { version: "1", identities: [], more: 1 },
    { version: "1", identities: [{ ...one, id: "../../../etc/pass" }] },
    { version: "1", identities: [{ ...one, colour: "plaid" }] },
    { version: "1", identities: [{ ...one, folder: "elsewhere" }] },
    { version: "1", identities: [one, one] },
    {
      version: "1",
      identities: Array.from({ length: MAX_IDENTITIES + 1 }, (_, at) => ({ ...one, id: `${at}`.padStart(16, "0") })),
    },
  ];
  for (const variant of variants) expect(decodeIdentityList(JSON.stringify(variant)).ok).toBe(false);
  expect(decodeIdentityList(JSON.stringify({ version: "1", identities: [one] })).ok).toBe(true);
});

test("a new identity gets a colour nobody has, as long as there is one", () => {
  const taken: ListedIdentity[] = [];
  for (let at = 0; at < IDENTITY_COLOURS.length; at++)
    taken.push({ ...one, id: `${at}`.padStart(16, "0"), colour: nextColour(taken) });
  expect(new Set(taken.map(({ colour }) => colour)).size).toBe(IDENTITY_COLOURS.length);
  expect(IDENTITY_COLOURS).toContain(nextColour(taken));
});
