import { expect, test } from "vitest";
import { createNobleProvider } from "../../protocol/crypto/noble-provider.ts";
import type { BlippedProfile } from "../../protocol/identity/blipped-profile.ts";
import {
  createDescriptor,
  decodeDescriptor,
  DESCRIPTOR_LIFETIME_MS,
  MAXIMUM_CLOCK_SKEW_MS,
} from "../../protocol/identity/descriptor.ts";
import { bytesToNodeId, nodeIdToBytes } from "../../protocol/identity/node-id.ts";
import { createDescriptorVerifier } from "../../protocol/identity/verified.ts";
import { unixMs } from "../../protocol/kernel/time.ts";

const crypto = createNobleProvider();
const key = crypto.signingKey(new Uint8Array(32).fill(7));
const ISSUED_AT = 1_700_000_000;
const NOW = unixMs(ISSUED_AT * 1000);

const sample = () =>
  createDescriptor(key, {
    sequence: 3,
    issuedAt: ISSUED_AT,
    transportKey: new Uint8Array(32).fill(9),
    reachable: true,
    addresses: [
      { kind: "ipv4", host: Uint8Array.of(192, 0, 2, 1), port: 4222 },
      { kind: "dns", host: new TextEncoder().encode("node.example"), port: 443 },
    ],
    profile: new Uint8Array(142).fill(1) as BlippedProfile,
  });

test("DSC-1 a descriptor survives its encoding", () => {
  const descriptor = sample();
  const decoded = decodeDescriptor(descriptor.bytes);
  expect(decoded).toEqual({ ok: true, value: descriptor });
});

test("DSC-1 a node id is the public key in base64url", () => {
  expect(nodeIdToBytes(sample().id)).toEqual(key.publicKey);
  expect(bytesToNodeId(new Uint8Array(31))).toBeUndefined();
});

test("DSC-2 the owner's signature is accepted, and once verified a copy costs no second signature", () => {
  let verifications = 0;
  const verifier = createDescriptorVerifier({
    ...crypto,
    verify: (...args) => {
      verifications++;
      return crypto.verify(...args);
    },
  });
  const descriptor = sample();
  const copy = decodeDescriptor(descriptor.bytes.slice());
  expect(verifier.verify(descriptor, NOW).ok).toBe(true);
  expect(copy.ok && verifier.verify(copy.value, NOW).ok).toBe(true);
  expect(verifications).toBe(1);
});

test("DSC-2 no flipped byte is accepted", () => {
  const verifier = createDescriptorVerifier({ ...crypto });
  const { bytes } = sample();
  for (let at = 0; at < bytes.length; at += 5) {
    const forged = bytes.slice();
    forged[at] = (forged[at] as number) ^ 1;
    const decoded = decodeDescriptor(forged);
    expect(decoded.ok && verifier.verify(decoded.value, NOW).ok, `byte ${at}`).toBe(false);
  }
});

test("DSC-3 descriptors from the future and expired ones are refused", () => {
  const verifier = createDescriptorVerifier(crypto);
  const descriptor = sample();
  expect(verifier.verify(descriptor, unixMs(NOW - MAXIMUM_CLOCK_SKEW_MS - 1))).toEqual({
    ok: false,
    error: { type: "DescriptorFromFuture" },
  });
  expect(verifier.verify(descriptor, unixMs(NOW + DESCRIPTOR_LIFETIME_MS + 1))).toEqual({
    ok: false,
    error: { type: "ExpiredDescriptor" },
  });
});

test("DSC-4 sizes are bounded before anything is allocated", () => {
  const { bytes } = sample();
  expect(decodeDescriptor(new Uint8Array(5000)).ok).toBe(false);
  expect(decodeDescriptor(bytes.subarray(0, bytes.length - 1)).ok).toBe(false);
  const tail = new Uint8Array(bytes.length + 1);
  tail.set(bytes);
  expect(decodeDescriptor(tail).ok).toBe(false);
});
