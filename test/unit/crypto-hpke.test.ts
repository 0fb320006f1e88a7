import { Aes256Gcm, CipherSuite, DhkemX25519HkdfSha256, HkdfSha256 } from "@hpke/core";
import { createCipheriv } from "node:crypto";
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { hpkeOpen, hpkeSchedule, hpkeSeal } from "../../protocol/crypto/hpke.ts";
import { bytesToHex, hexToBytes } from "../../protocol/kernel/bytes.ts";
import { filled, native, noble, withFlippedBit } from "../support/data-fixtures.ts";

const vector = (
  JSON.parse(readFileSync(new URL("../vectors/data/data/data-vectors.json", import.meta.url), "utf8")) as {
    hpke_rfc9180_A_1_1: Record<"skEm" | "pkRm" | "info" | "aad" | "pt" | "enc" | "ct", string>;
  }
).hpke_rfc9180_A_1_1;
const hex = (digits: string): Uint8Array => hexToBytes(digits) as Uint8Array;
const plain = (buffer: ArrayBuffer | Uint8Array): Uint8Array<ArrayBuffer> => new Uint8Array(buffer as ArrayBuffer);

describe("HPKE base mode (RFC 9180)", () => {
  it("reproduces appendix A.1.1 (its AEAD is AES-128-GCM; KEM and key schedule are ours)", () => {
    for (const crypto of [noble, native]) {
      const schedule = hpkeSchedule(
        crypto,
        { id: 1, keyBytes: 16, name: "AESGCM" },
        hex(vector.pkRm),
        hex(vector.info),
        hex(vector.skEm),
      );
      if (schedule === undefined) throw new Error("no schedule");
      const cipher = createCipheriv("aes-128-gcm", schedule.key, schedule.nonce).setAAD(hex(vector.aad));
      const ct = Buffer.concat([cipher.update(hex(vector.pt)), cipher.final(), cipher.getAuthTag()]);
      expect(bytesToHex(schedule.enc)).toBe(vector.enc);
      expect(bytesToHex(ct)).toBe(vector.ct);
    }
  });

  it("agrees with @hpke/core in both directions", async () => {
    const suite = new CipherSuite({ kem: new DhkemX25519HkdfSha256(), kdf: new HkdfSha256(), aead: new Aes256Gcm() });
    for (let round = 0; round < 8; round++) {
      const mine = native.dhKeyPair(filled(round + 1, 32));
      const context = { info: filled(round, round * 9), aad: filled(round, round) };
      const plaintext = filled(round, round * 40);
      const theirs = await suite.kem.importKey("raw", plain(mine.privateKey).buffer, false);

      const ours = hpkeSeal(native, mine.publicKey, context, plaintext, filled(round + 50, 32));
      if (ours === undefined) throw new Error("not sealed");
      const opened = await suite.open(
        { recipientKey: theirs, enc: plain(ours.enc), info: plain(context.info) },
        plain(ours.ct),
        plain(context.aad),
      );
      expect(bytesToHex(plain(opened))).toBe(bytesToHex(plaintext));

      const recipientPublicKey = await suite.kem.importKey("raw", plain(mine.publicKey).buffer, true);
      const sender = await suite.createSenderContext({ recipientPublicKey, info: plain(context.info) });
      const ct = plain(await sender.seal(plain(plaintext), plain(context.aad)));
      const back = hpkeOpen(noble, noble.dhKeyPair(mine.privateKey), context, { enc: plain(sender.enc), ct });
      expect(back && bytesToHex(back)).toBe(bytesToHex(plaintext));
    }
  });

  it("opens nothing that was changed, moved to another context or sealed to another key", () => {
    const mine = native.dhKeyPair(filled(1, 32));
    const context = { info: filled(2, 9), aad: filled(3, 9) };
    const sealed = hpkeSeal(native, mine.publicKey, context, filled(4, 20), filled(5, 32));
    if (sealed === undefined) throw new Error("not sealed");
    expect(hpkeOpen(native, mine, context, sealed)).toEqual(filled(4, 20));
    expect(hpkeOpen(native, native.dhKeyPair(filled(6, 32)), context, sealed)).toBeUndefined();
    expect(hpkeOpen(native, mine, { ...context, info: filled(0, 9) }, sealed)).toBeUndefined();
    expect(hpkeOpen(native, mine, { ...context, aad: filled(0, 9) }, sealed)).toBeUndefined();
    for (let bit = 0; bit < sealed.ct.length * 8; bit += 7) {
      expect(hpkeOpen(native, mine, context, { ...sealed, ct: withFlippedBit(sealed.ct, bit) })).toBeUndefined();
    }
    for (let bit = 0; bit < 255; bit += 17) {
      expect(hpkeOpen(native, mine, context, { ...sealed, enc: withFlippedBit(sealed.enc, bit) })).toBeUndefined();
    }
  });

  it("refuses low-order keys on either side", () => {
    const mine = native.dhKeyPair(filled(1, 32));
    const context = { info: filled(2, 9), aad: filled(3, 9) };
    for (const crypto of [native, noble]) {
      expect(hpkeSeal(crypto, new Uint8Array(32), context, filled(4, 20), filled(5, 32))).toBeUndefined();
      expect(hpkeOpen(crypto, mine, context, { enc: new Uint8Array(32), ct: filled(4, 36) })).toBeUndefined();
    }
  });
});
