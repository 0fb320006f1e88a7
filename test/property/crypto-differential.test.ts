import { ed25519 } from "@noble/curves/ed25519.js";
import fc from "fast-check";
import { expect, test } from "vitest";
import { createNativeProvider } from "../../main/adapters/native-crypto.ts";
import { createNobleProvider } from "../../protocol/crypto/noble-provider.ts";
import type { AeadName, HashName } from "../../protocol/crypto/provider.ts";
import { bytesToHex, concatBytes, hexToBytes } from "../../protocol/kernel/bytes.ts";

const noble = createNobleProvider();
const native = createNativeProvider(noble);
const numRuns = Number(process.env["PROPERTY_RUNS"] ?? 60);

const key = fc.uint8Array({ minLength: 32, maxLength: 32 });
const nonce = fc.uint8Array({ minLength: 12, maxLength: 12 });
/** Long inputs from one integer each, so that a failure shrinks quickly. */
const bytes = fc
  .tuple(fc.oneof(fc.nat({ max: 300 }), fc.integer({ min: 700, max: 5000 })), fc.nat({ max: 255 }))
  .map(([length, first]) => Uint8Array.from({ length }, (_, i) => first + 31 * i));
const hashName = fc.constantFrom<HashName>("SHA256", "SHA512", "BLAKE2s", "BLAKE2b");
const aeadName = fc.constantFrom<AeadName>("ChaChaPoly", "AESGCM");

test("hash, HMAC and HKDF agree", () => {
  fc.assert(
    fc.property(
      hashName,
      fc.uint8Array({ maxLength: 200 }),
      bytes,
      bytes,
      fc.integer({ min: 1, max: 600 }),
      (name, k, a, b, n) => {
        expect(bytesToHex(native.hash(name, a, b))).toBe(bytesToHex(noble.hash(name, a, b)));
        for (const provider of [native, noble]) {
          const hasher = provider.hasher(name);
          for (const part of [a, b]) hasher.update(part);
          expect(bytesToHex(hasher.digest())).toBe(bytesToHex(noble.hash(name, a, b)));
        }
        expect(bytesToHex(native.hmac(name, k, a, b))).toBe(bytesToHex(noble.hmac(name, k, a, b)));
        expect(bytesToHex(native.hkdfSha256(a, k, b, n))).toBe(bytesToHex(noble.hkdfSha256(a, k, b, n)));
      },
    ),
    { numRuns },
  );
});

test("AEAD: each opens what the other seals, and neither a changed, cut or re-addressed record", () => {
  fc.assert(
    fc.property(
      aeadName,
      key,
      nonce,
      fc.uint8Array({ maxLength: 40 }),
      bytes,
      fc.nat(),
      (name, k, n, ad, plaintext, at) => {
        const a = noble.aead(name, k);
        const b = native.aead(name, k);
        const ciphertext = a.seal(n, ad, plaintext);
        expect(bytesToHex(b.seal(n, ad, plaintext))).toBe(bytesToHex(ciphertext));
        const cut = at % (plaintext.length + 1);
        const pieces = b.sealParts(n, ad, [plaintext.subarray(0, cut), plaintext.subarray(cut)]);
        expect(bytesToHex(concatBytes(...pieces))).toBe(bytesToHex(ciphertext));
        const changed = ciphertext.slice();
        changed[at % changed.length] = (changed[at % changed.length] as number) ^ (1 << (at % 8));
        for (const one of [a, b]) {
          expect(bytesToHex(one.open(n, ad, ciphertext) as Uint8Array)).toBe(bytesToHex(plaintext));
          expect(one.open(n, ad, changed)).toBeUndefined();
          expect(one.open(n, ad, ciphertext.subarray(0, at % ciphertext.length))).toBeUndefined();
          expect(one.open(n, concatBytes(ad, Uint8Array.of(0)), ciphertext)).toBeUndefined();
        }
      },
    ),
    { numRuns },
  );
});

test("X25519 agrees on any 32 bytes as a public key, and both refuse other lengths", () => {
  fc.assert(
    fc.property(key, key, (k, peer) => {
      const a = noble.dhKeyPair(k);
      const b = native.dhKeyPair(k);
      expect(bytesToHex(b.publicKey)).toBe(bytesToHex(a.publicKey));
      expect(native.dh(b, peer)).toEqual(noble.dh(a, peer));
      expect(native.dh(b, peer.subarray(1))).toBeUndefined();
      expect(noble.dh(a, peer.subarray(1))).toBeUndefined();
    }),
    { numRuns: Math.ceil(numRuns / 3) },
  );
});

test.each([
  "0000000000000000000000000000000000000000000000000000000000000000",
  "0100000000000000000000000000000000000000000000000000000000000000",
  "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
  "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
])("X25519 refuses the low-order key %s with and without bit 255", (text) => {
  const point = hexToBytes(text) as Uint8Array;
  const masked = point.slice();
  masked[31] = (masked[31] as number) | 0x80;
  const secret = new Uint8Array(32).fill(9);
  for (const provider of [noble, native])
    for (const peer of [point, masked]) expect(provider.dh(provider.dhKeyPair(secret), peer)).toBeUndefined();
});

test("Ed25519 signs the same bytes and judges mutated signatures alike", () => {
  fc.assert(
    fc.property(key, bytes, fc.nat({ max: 63 }), fc.integer({ min: 0, max: 7 }), (seed, message, at, bit) => {
      const a = noble.signingKey(seed);
      const b = native.signingKey(seed);
      const signature = a.sign(message);
      expect(bytesToHex(b.publicKey)).toBe(bytesToHex(a.publicKey));
      expect(bytesToHex(b.sign(message))).toBe(bytesToHex(signature));
      const changed = signature.slice();
      changed[at] = (changed[at] as number) ^ (1 << bit);
      for (const provider of [noble, native]) {
        expect(provider.verify(a.publicKey, message, signature)).toBe(true);
        expect(provider.verify(a.publicKey, message, changed)).toBe(false);
        expect(provider.verify(a.publicKey, message, signature.subarray(1))).toBe(false);
      }
    }),
    { numRuns: Math.ceil(numRuns / 6) },
  );
});

const littleEndian = (value: bigint): Uint8Array => {
  const out = new Uint8Array(32);
  for (let i = 0; i < 32; i++) out[i] = Number((value >> BigInt(8 * i)) & 255n);
  return out;
};
const fromLittleEndian = (data: Uint8Array): bigint => data.reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
const { ORDER: order } = ed25519.Point.Fn;
const mod = (a: bigint): bigint => ((a % order) + order) % order;
const torsion = ed25519.Point.fromHex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05");

/** Signature by scalar `a` under `publicKey`, with `rTorsion` added to R: then valid only under a cofactored check. */
const signWith = (
  a: bigint,
  publicKey: Uint8Array,
  rTorsion: typeof torsion | undefined,
  message: Uint8Array,
): Uint8Array => {
  const r = 12345678901234567890n;
  const R = ed25519.Point.BASE.multiply(r);
  const rBytes = (rTorsion === undefined ? R : R.add(rTorsion)).toBytes();
  const k = mod(fromLittleEndian(noble.hash("SHA512", rBytes, publicKey, message)));
  return concatBytes(rBytes, littleEndian(mod(r + k * a)));
};

test("Ed25519 edge cases split no two providers: torsion in R or A, small-order A, S + L, non-canonical A", () => {
  const a = 987654321987654321n;
  const A = ed25519.Point.BASE.multiply(a);
  const p = 2n ** 255n - 19n;
  const cases: { readonly publicKey: Uint8Array; readonly signature: Uint8Array; readonly message: Uint8Array }[] = [];
  for (let i = 0; i < 12; i++) {
    const message = Uint8Array.of(i);
    const honest = A.toBytes();
    const mixed = A.add(torsion).toBytes();
    cases.push({ publicKey: honest, signature: signWith(a, honest, torsion, message), message });
    cases.push({ publicKey: mixed, signature: signWith(a, mixed, undefined, message), message });
    cases.push({ publicKey: mixed, signature: signWith(a, mixed, torsion, message), message });
    const valid = signWith(a, honest, undefined, message);
    cases.push({ publicKey: honest, signature: valid, message });
    const raised = concatBytes(valid.subarray(0, 32), littleEndian(fromLittleEndian(valid.subarray(32)) + order));
    cases.push({ publicKey: honest, signature: raised, message });
    for (const small of [torsion.toBytes(), littleEndian(0n), littleEndian(1n), littleEndian(p - 1n)])
      cases.push({ publicKey: small, signature: signWith(0n, small, undefined, message), message });
    for (const y of [p, p + 1n, p + 3n, p + 18n]) {
      const nonCanonical = littleEndian(y);
      cases.push({ publicKey: nonCanonical, signature: signWith(0n, nonCanonical, undefined, message), message });
      const negative = nonCanonical.slice();
      negative[31] = (negative[31] as number) | 0x80;
      cases.push({ publicKey: negative, signature: signWith(0n, negative, undefined, message), message });
    }
  }
  const verdicts = cases.map((one) => noble.verify(one.publicKey, one.message, one.signature));
  expect(cases.map((one) => native.verify(one.publicKey, one.message, one.signature))).toEqual(verdicts);
  expect(verdicts.filter(Boolean).length).toBeGreaterThanOrEqual(12);
});
