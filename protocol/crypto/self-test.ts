import { invariant } from "../kernel/assert.ts";
import { ascii, bytesEqual, concatBytes, hexToBytes } from "../kernel/bytes.ts";
import type { AeadName, CryptoProvider, HashName } from "./provider.ts";

/** What a provider can get wrong, or not have, independently of the rest. */
export type Primitive =
  `hash:${HashName}` | `hmac:${HashName}` | `aead:${AeadName}` | "hkdfSha256" | "x25519" | "ed25519";

const hex = (text: string): Uint8Array => {
  const bytes = hexToBytes(text);
  invariant(bytes !== undefined, "an embedded vector is hex");
  return bytes;
};

const range = (from: number, count: number): Uint8Array => Uint8Array.from({ length: count }, (_, i) => from + i);

/** Digests of "abc": FIPS 180-4 examples, RFC 7693 appendices A and B. */
const digests: Readonly<Record<HashName, string>> = {
  SHA256: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
  SHA512:
    "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a" +
    "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
  BLAKE2s: "508c5e8c327c14e2e1a72ba34eeb452f37458b209ed63a294d999b4c86675982",
  BLAKE2b:
    "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d1" +
    "7d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923",
};

/** HMAC of "Hi There" under 20 bytes 0b: RFC 4231 test case 1; the BLAKE2 rows are from CPython's hmac over hashlib. */
const macs: Readonly<Record<HashName, string>> = {
  SHA256: "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
  SHA512:
    "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cde" +
    "daa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854",
  BLAKE2s: "65a8b7c5cc9136d424e82c37e2707e74e913c0655b99c75f40edf387453a3260",
  BLAKE2b:
    "358a6a184924894fc34bee5680eedf57d84a37bb38832f288e3b27dc63a98cc8" +
    "c91e76da476b508bc6b2d408a248857452906e4a20b48c6b4b55d2df0fe1dd24",
};

interface AeadVector {
  readonly key: Uint8Array;
  readonly nonce: Uint8Array;
  readonly additionalData: Uint8Array;
  readonly plaintext: Uint8Array;
  readonly ciphertext: Uint8Array;
}

/** RFC 8439 section 2.8.2; test case 16 of the GCM specification (McGrew, Viega). */
const sealed: Readonly<Record<AeadName, AeadVector>> = {
  ChaChaPoly: {
    key: range(0x80, 32),
    nonce: hex("070000004041424344454647"),
    additionalData: hex("50515253c0c1c2c3c4c5c6c7"),
    plaintext: ascii(
      "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.",
    ),
    ciphertext: hex(
      "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d6" +
        "3dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b36" +
        "92ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc" +
        "3ff4def08e4b7a9de576d26586cec64b61161ae10b594f09e26a7e902ecbd0600691",
    ),
  },
  AESGCM: {
    key: hex("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308"),
    nonce: hex("cafebabefacedbaddecaf888"),
    additionalData: hex("feedfacedeadbeeffeedfacedeadbeefabaddad2"),
    plaintext: hex(
      "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72" +
        "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
    ),
    ciphertext: hex(
      "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa" +
        "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662" +
        "76fc6ece0f4e1768cddf8853bb2d551b",
    ),
  },
};

const hashWorks = (crypto: CryptoProvider, name: HashName): boolean =>
  bytesEqual(crypto.hash(name, ascii("abc")), hex(digests[name])) &&
  bytesEqual(crypto.hash(name, ascii("a"), ascii(""), ascii("bc")), hex(digests[name]));

const hmacWorks = (crypto: CryptoProvider, name: HashName): boolean =>
  bytesEqual(crypto.hmac(name, new Uint8Array(20).fill(0x0b), ascii("Hi "), ascii("There")), hex(macs[name]));

const aeadWorks = (crypto: CryptoProvider, name: AeadName): boolean => {
  const { key, nonce, additionalData, plaintext, ciphertext } = sealed[name];
  const aead = crypto.aead(name, key);
  const pieces = aead.sealParts(nonce, additionalData, [plaintext.subarray(0, 5), plaintext.subarray(5)]);
  const opened = aead.open(nonce, additionalData, ciphertext);
  const forged = ciphertext.slice();
  forged[0] = (forged[0] as number) ^ 1;
  return (
    bytesEqual(aead.seal(nonce, additionalData, plaintext), ciphertext) &&
    bytesEqual(concatBytes(...pieces), ciphertext) &&
    opened !== undefined &&
    bytesEqual(opened, plaintext) &&
    aead.open(nonce, additionalData, forged) === undefined &&
    aead.open(nonce, additionalData, ciphertext.subarray(0, 15)) === undefined
  );
};

/** RFC 5869 test case 1. */
const hkdfWorks = (crypto: CryptoProvider): boolean =>
  bytesEqual(
    crypto.hkdfSha256(new Uint8Array(22).fill(0x0b), range(0, 13), range(0xf0, 10), 42),
    hex("3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"),
  );

/** First vector of RFC 7748 section 5.2; an all-zero result must be refused (section 6.1). */
const x25519Works = (crypto: CryptoProvider): boolean => {
  const pair = crypto.dhKeyPair(hex("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4"));
  const shared = crypto.dh(pair, hex("e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c"));
  return (
    bytesEqual(pair.publicKey, hex("1c9fd88f45606d932a80c71824ae151d15d73e77de38e8e000852e614fae7019")) &&
    shared !== undefined &&
    bytesEqual(shared, hex("c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552")) &&
    crypto.dh(pair, new Uint8Array(32)) === undefined
  );
};

/** RFC 8032 section 7.1, test 3. */
const ed25519Works = (crypto: CryptoProvider): boolean => {
  const message = hex("af82");
  const key = crypto.signingKey(hex("c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7"));
  const signature = key.sign(message);
  return (
    bytesEqual(key.publicKey, hex("fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025")) &&
    bytesEqual(
      signature,
      hex(
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac" +
          "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
      ),
    ) &&
    crypto.verify(key.publicKey, message, signature) &&
    !crypto.verify(key.publicKey, hex("af83"), signature)
  );
};

const checks: Readonly<Record<Primitive, (crypto: CryptoProvider) => boolean>> = {
  "hash:SHA256": (crypto) => hashWorks(crypto, "SHA256"),
  "hash:SHA512": (crypto) => hashWorks(crypto, "SHA512"),
  "hash:BLAKE2s": (crypto) => hashWorks(crypto, "BLAKE2s"),
  "hash:BLAKE2b": (crypto) => hashWorks(crypto, "BLAKE2b"),
  "hmac:SHA256": (crypto) => hmacWorks(crypto, "SHA256"),
  "hmac:SHA512": (crypto) => hmacWorks(crypto, "SHA512"),
  "hmac:BLAKE2s": (crypto) => hmacWorks(crypto, "BLAKE2s"),
  "hmac:BLAKE2b": (crypto) => hmacWorks(crypto, "BLAKE2b"),
  "aead:ChaChaPoly": (crypto) => aeadWorks(crypto, "ChaChaPoly"),
  "aead:AESGCM": (crypto) => aeadWorks(crypto, "AESGCM"),
  hkdfSha256: hkdfWorks,
  x25519: x25519Works,
  ed25519: ed25519Works,
};

/** Runs every primitive against its published vector; the ones that differ, throw or are missing. */
export const failingPrimitives = (crypto: CryptoProvider): readonly Primitive[] =>
  (Object.keys(checks) as Primitive[]).filter((primitive) => {
    try {
      return !checks[primitive](crypto);
    } catch {
      return true;
    }
  });
