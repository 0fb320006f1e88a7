import { describe, expect, it } from "vitest";
import { acceptLive, createLiveWindow, type LiveMessage, readLive, signLive } from "../../protocol/entry/live.ts";
import { filled, must, native, withFlippedBit } from "../support/data-fixtures.ts";

const device = native.signingKey(filled(3, 32));
const topicPk = filled(1, 32);
const message: Omit<LiveMessage, "devSig"> = {
  sess: filled(5, 16),
  counter: 3,
  challenge: filled(7, 16),
  data: { type: "changes", doc: filled(6, 16), changes: [filled(9, 60)] },
};

describe("live items", () => {
  it("LIV-1 all three kinds of data survive", () => {
    for (const data of [
      message.data,
      { type: "presence", state: filled(1, 200) },
      { type: "listening", challenge: filled(2, 16) },
    ] satisfies LiveMessage["data"][]) {
      const encoded = signLive(device, topicPk, { ...message, data });
      expect(must(readLive(native, topicPk, encoded))).toEqual({ ...message, data, devSig: device.publicKey });
    }
  });

  it("LIV-2 the signature covers everything before it and the topic", () => {
    const encoded = signLive(device, topicPk, message);
    for (let bit = 0; bit < encoded.length * 8; bit++)
      expect(readLive(native, topicPk, withFlippedBit(encoded, bit)).ok).toBe(false);
    expect(readLive(native, filled(2, 32), encoded)).toEqual({ ok: false, error: { type: "DeviceSignatureInvalid" } });
  }, 60_000);

  it("LIV-3 replays, old counters and foreign challenges are not taken", () => {
    const of = (counter: number, challenge = message.challenge, sess = message.sess): LiveMessage => ({
      ...message,
      devSig: device.publicKey,
      counter,
      challenge,
      sess,
    });
    const fresh = createLiveWindow(message.challenge);
    const once = acceptLive(fresh, of(3));
    if (once === undefined) throw new Error("refused");
    expect(acceptLive(once, of(3))).toBeUndefined();
    expect(acceptLive(once, of(2))).toBeUndefined();
    expect(acceptLive(once, of(4))).toBeDefined();
    expect(acceptLive(once, of(0, message.challenge, filled(8, 16)))).toBeDefined();
    expect(acceptLive(fresh, of(9, filled(0, 16)))).toBeUndefined();
    expect(acceptLive(createLiveWindow(filled(1, 16)), of(4))).toBeUndefined();
    expect(acceptLive(once, { ...of(0, filled(0, 16)), data: { type: "listening", challenge: filled(1, 16) } })).toBe(
      once,
    );
  });
});
