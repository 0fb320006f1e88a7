import { describe, expect, test } from "vitest";
import { createNativeProvider } from "../../main/adapters/native-crypto.ts";
import { hk } from "../../protocol/crypto/kdf.ts";
import { createNobleProvider } from "../../protocol/crypto/noble-provider.ts";
import type { CryptoProvider } from "../../protocol/crypto/provider.ts";
import { failingPrimitives } from "../../protocol/crypto/self-test.ts";
import { wipe } from "../../protocol/crypto/wipe.ts";
import { bytesToHex } from "../../protocol/kernel/bytes.ts";

const noble = createNobleProvider();

test.each([
  ["noble", noble],
  ["native", createNativeProvider(noble)],
])("%s passes every embedded vector", (_, provider) => {
  expect(failingPrimitives(provider)).toEqual([]);
});

describe("a broken primitive is named", () => {
  const broken = (change: Partial<CryptoProvider>): readonly string[] => failingPrimitives({ ...noble, ...change });
  const missing = (): never => {
    throw new Error("absent");
  };

  test("absent hash", () => {
    expect(broken({ hash: (name, ...parts) => (name === "BLAKE2b" ? missing() : noble.hash(name, ...parts)) })).toEqual(
      ["hash:BLAKE2b"],
    );
  });
  test("AEAD that accepts forgeries", () => {
    const accepting: CryptoProvider["aead"] = (name, key) => ({
      ...noble.aead(name, key),
      open: (_nonce, _ad, ciphertext) => ciphertext.subarray(0, Math.max(0, ciphertext.length - 16)),
    });
    expect(broken({ aead: accepting })).toEqual(["aead:ChaChaPoly", "aead:AESGCM"]);
  });
  test("signature check that says yes", () => {
    expect(broken({ verify: () => true })).toEqual(["ed25519"]);
  });
  test("X25519 that lets the zero point through", () => {
    expect(broken({ dh: (pair, key) => noble.dh(pair, key) ?? new Uint8Array(32) })).toEqual(["x25519"]);
  });
});

test("hk prefixes the label and equals plain HKDF", () => {
  const key = new Uint8Array(32).fill(7);
  const info = new TextEncoder().encode("p2pc/1/entry key");
  expect(bytesToHex(hk(noble, key, key, "entry key", 48))).toBe(bytesToHex(noble.hkdfSha256(key, key, info, 48)));
});

test("wipe zeroes in place", () => {
  const secret = Uint8Array.of(1, 2, 3);
  wipe(secret);
  expect(secret).toEqual(new Uint8Array(3));
});
