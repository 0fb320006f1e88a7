import { expect, test } from "vitest";
import { versionWords } from "../../app/peers/version-words.ts";
import { encodeCbor } from "../../protocol/codec/cbor.ts";
import { agreeOnVersion, takeVersion } from "../../protocol/kernel/versions.ts";
import { decodePeerMessage } from "../../protocol/peer/wire.ts";

const ours = { oldest: 3, newest: 5 };

test("both sides name their newest version and speak the lower one, two versions back", () => {
  expect([3, 4, 5, 6, 200].map((theirs) => agreeOnVersion(ours, theirs))).toEqual(
    [3, 4, 5, 5, 5].map((value) => ({ ok: true, value })),
  );
});

test("who stopped before our oldest is refused, and the words say who has to be updated", () => {
  const refused = agreeOnVersion(ours, 2);
  expect(refused).toEqual({ ok: false, error: { type: "VersionRefused", ours, theirs: 2, toUpdate: "them" } });
  expect(refused.ok ? "" : versionWords(refused.error)).toContain("too old: it has to be updated");
});

test("an answer in a version newer than any of ours is refused: it is this side that has to be updated", () => {
  const refused = takeVersion(ours, 6);
  expect(refused).toEqual({ ok: false, error: { type: "VersionRefused", ours, theirs: 6, toUpdate: "us" } });
  expect(refused.ok ? "" : versionWords(refused.error)).toContain("update it");
  expect(takeVersion(ours, 2)).toMatchObject({ ok: false, error: { toUpdate: "them" } });
  expect(takeVersion(ours, 4)).toEqual({ ok: true, value: 4 });
});

test("the greeting of a later version between devices may say more", () => {
  expect(decodePeerMessage(encodeCbor([1, 2, "more"]))).toEqual({ ok: true, value: { type: "hello", version: 2 } });
});
