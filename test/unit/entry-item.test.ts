import { describe, expect, it } from "vitest";
import { decodeCbor, encodeCbor, type CborValue } from "../../protocol/codec/cbor.ts";
import { padmeLength } from "../../protocol/codec/padme.ts";
import type { CryptoProvider } from "../../protocol/crypto/provider.ts";
import {
  BODY_LIMITS,
  ITEM_KINDS,
  itemKey,
  openItem,
  openItemWithKey,
  proxyCheck,
  publishItem,
  readItem,
  sealItem,
} from "../../protocol/entry/item.ts";
import { bytesToHex } from "../../protocol/kernel/bytes.ts";
import { filled, must, native, noble, withFlippedBit } from "../support/data-fixtures.ts";

const readKey = filled(1, 32);
const topicKey = native.signingKey(filled(2, 32));
const origin = { kind: ITEM_KINDS.entry, topicKey, gen: 5, salt: filled(3, 16) } as const;
const plaintext = Uint8Array.from({ length: 300 }, (_, i) => i & 255);
const sealed = must(sealItem(native, origin, readKey, plaintext));

/** The same item with members of its header replaced and signed again by the rightful topic key. */
const resigned = (change: (header: CborValue[]) => void, body: Uint8Array = sealed.body): Uint8Array => {
  const header = [...(must(decodeCbor(sealed.headerBytes)) as readonly CborValue[])];
  header[6] = body.length;
  header[7] = native.hash("SHA256", body);
  change(header);
  const headerBytes = encodeCbor(header);
  const message = Buffer.concat([Buffer.from("p2pc/topic/1\0"), headerBytes]);
  return encodeCbor([headerBytes, topicKey.sign(message), body]);
};
const refusal = (wire: Uint8Array): string => {
  const read = proxyCheck(native, wire);
  return read.ok ? "accepted" : read.error.type === "DecodeError" ? read.error.rule : read.error.type;
};

describe("outer item", () => {
  it("ITM-1 opens what was sealed, with either provider", () => {
    for (const crypto of [native, noble] as CryptoProvider[]) {
      const item = must(proxyCheck(crypto, sealed.wire));
      expect(bytesToHex(must(openItem(crypto, item, readKey)))).toBe(bytesToHex(plaintext));
      expect(item.gen).toBe(5);
      expect(bytesToHex(item.oid)).toBe(bytesToHex(sealed.oid));
    }
    expect(
      bytesToHex(
        must(sealItem(noble, { ...origin, topicKey: noble.signingKey(filled(2, 32)) }, readKey, plaintext)).wire,
      ),
    ).toBe(bytesToHex(sealed.wire));
  });

  it("I1 every single-bit change of a wire is refused before anything is decrypted", () => {
    for (let bit = 0; bit < sealed.wire.length * 8; bit++)
      expect(proxyCheck(native, withFlippedBit(sealed.wire, bit)).ok, `bit ${bit}`).toBe(false);
  }, 60_000);

  it("I1 every truncation and extension of a wire is refused", () => {
    for (let length = 0; length < sealed.wire.length; length++)
      expect(readItem(native, sealed.wire.subarray(0, length)).ok).toBe(false);
    expect(refusal(Buffer.concat([sealed.wire, Buffer.from([0])]))).toBe("trailing bytes");
  });

  it("I4 a wrong epoch key is noticed at the commitment, before the AEAD runs", () => {
    const withoutAead: CryptoProvider = {
      ...native,
      aead: () => {
        throw new Error("the AEAD must not run");
      },
    };
    expect(openItem(withoutAead, sealed, filled(9, 32))).toEqual({ ok: false, error: { type: "WrongKey" } });
  });

  it("ITM-5 one item's own key opens it and no other", () => {
    const key48 = itemKey(native, readKey, origin.salt);
    expect(bytesToHex(must(openItemWithKey(native, sealed, key48)))).toBe(bytesToHex(plaintext));
    const other = must(sealItem(native, { ...origin, salt: filled(4, 16) }, readKey, plaintext));
    expect(openItemWithKey(native, other, key48)).toEqual({ ok: false, error: { type: "WrongKey" } });
  });

  it("ITM-2 the header binds kind, topic, gen, salt and commitment into the ciphertext", () => {
    const changes: [string, (header: CborValue[]) => void][] = [
      ["CiphertextForged", (header) => (header[1] = 1)],
      ["CiphertextForged", (header) => (header[3] = 6)],
      ["WrongKey", (header) => (header[4] = filled(8, 16))],
      ["WrongKey", (header) => (header[5] = filled(8, 16))],
    ];
    for (const [expected, change] of changes) {
      const item = must(proxyCheck(native, resigned(change)));
      expect(openItem(native, item, readKey)).toEqual({ ok: false, error: { type: expected } });
    }
    for (let bit = 0; bit < 256; bit += 5) {
      const item = must(
        proxyCheck(
          native,
          resigned(() => {}, withFlippedBit(sealed.body, bit * 10)),
        ),
      );
      expect(openItem(native, item, readKey)).toEqual({ ok: false, error: { type: "CiphertextForged" } });
    }
  });

  it("ITM-3 refuses wrong padding lengths and padding that is not zero", () => {
    const key48 = itemKey(native, readKey, origin.salt);
    const header = must(decodeCbor(sealed.headerBytes)) as readonly CborValue[];
    const aad = encodeCbor(header.slice(0, 6));
    const openPadded = (padded: Uint8Array): unknown => {
      const body = native.aead("AESGCM", key48.subarray(0, 32)).seal(new Uint8Array(12), aad, padded);
      return openItem(
        native,
        must(
          proxyCheck(
            native,
            resigned(() => {}, body),
          ),
        ),
        readKey,
      );
    };
    const padded = (length: number, total: number, last = 0): Uint8Array => {
      const out = new Uint8Array(total);
      if (total >= 4) new DataView(out.buffer).setUint32(0, length);
      if (last !== 0) out[total - 1] = last;
      return out;
    };
    const refused = { ok: false, error: { type: "PaddingInvalid" } };
    expect(openPadded(padded(10, 256))).toMatchObject({ ok: true });
    expect(openPadded(padded(10, 256, 1))).toEqual(refused);
    expect(openPadded(padded(10, 272))).toEqual(refused);
    expect(openPadded(padded(253, 256))).toEqual(refused);
    expect(openPadded(padded(2 ** 32 - 1, 256))).toEqual(refused);
    expect(openPadded(padded(0, 3))).toEqual(refused);
    expect(openPadded(new Uint8Array(0))).toEqual(refused);
  });

  it("I5 the body length is a function of the plaintext length alone", () => {
    for (const length of [0, 1, 252, 253, 300, 4096, 70_000]) {
      const sizes = [0, 255].map(
        (byte) =>
          must(sealItem(native, { ...origin, salt: filled(byte, 16) }, readKey, filled(byte, length))).body.length,
      );
      expect(sizes).toEqual([padmeLength(length + 4) + 16, padmeLength(length + 4) + 16]);
    }
  });

  it("I6 the same plaintext under two salts shares no ciphertext block", () => {
    const other = must(sealItem(native, { ...origin, salt: filled(4, 16) }, readKey, plaintext));
    const blocks = new Set(
      Array.from({ length: sealed.body.length / 16 }, (_, i) => bytesToHex(sealed.body.slice(16 * i, 16 * i + 16))),
    );
    for (let i = 0; i + 16 <= other.body.length; i += 16)
      expect(blocks.has(bytesToHex(other.body.slice(i, i + 16)))).toBe(false);
  });

  it("ITM-6 what is published stays readable, with a zero commitment", () => {
    const item = must(publishItem(native, { ...origin, kind: ITEM_KINDS.feed }, plaintext));
    expect(bytesToHex(item.body)).toBe(bytesToHex(plaintext));
    expect(item.commitment.every((byte) => byte === 0)).toBe(true);
    expect(refusal(item.wire)).toBe("accepted");
  });

  it("ITM-4 refuses bodies above the limit of their kind when sealing and when reading", () => {
    for (const kind of Object.values(ITEM_KINDS)) {
      const limit = BODY_LIMITS[kind];
      const fits = must(publishItem(native, { ...origin, kind }, new Uint8Array(limit)));
      expect(proxyCheck(native, fits.wire).ok).toBe(true);
      expect(publishItem(native, { ...origin, kind }, new Uint8Array(limit + 1))).toMatchObject({
        ok: false,
        error: { type: "BodyTooLarge" },
      });
    }
    expect(refusal(resigned(() => {}, new Uint8Array(256 * 1024 + 1)))).toBe("BodyTooLarge");
  });

  it("ITM-1 refuses headers of another shape", () => {
    expect(refusal(resigned((header) => (header[0] = 2)))).toBe("expected 1");
    expect(refusal(resigned((header) => (header[1] = 8)))).toBe("integer above 7");
    expect(refusal(resigned((header) => (header[2] = filled(0, 31))))).toBe("expected 32 bytes");
    expect(refusal(resigned((header) => (header[3] = 2 ** 48)))).toBe("integer above 281474976710655");
    expect(refusal(resigned((header) => (header[4] = filled(0, 15))))).toBe("expected 16 bytes");
    expect(refusal(resigned((header) => (header[6] = 1)))).toBe("body length differs from the header");
    expect(refusal(resigned((header) => (header[7] = filled(0, 32))))).toBe("BodyHashMismatch");
    expect(refusal(resigned((header) => header.push(0)))).toBe("expected 8 members");
  });
});
