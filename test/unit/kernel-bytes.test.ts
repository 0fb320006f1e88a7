import fc from "fast-check";
import { expect, test } from "vitest";
import { base64urlToBytes, bytesToBase64url, bytesToHex, hexToBytes } from "../../protocol/kernel/bytes.ts";

test("base64url round-trips and agrees with Buffer", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
      const text = bytesToBase64url(bytes);
      expect(text).toBe(Buffer.from(bytes).toString("base64url"));
      expect(base64urlToBytes(text)).toEqual(bytes);
    }),
  );
});

test("base64url refuses padding, foreign characters and spare bits", () => {
  for (const bad of ["A", "AA==", "A+", "AB", "AA A"]) expect(base64urlToBytes(bad)).toBeUndefined();
});

test("hex round-trips and refuses odd or foreign text", () => {
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => {
      expect(hexToBytes(bytesToHex(bytes))).toEqual(bytes);
    }),
  );
  for (const bad of ["a", "zz", "0x00"]) expect(hexToBytes(bad)).toBeUndefined();
});
