import type { Brand } from "../kernel/brand.ts";
import { bytesToHex } from "../kernel/bytes.ts";
import type { CryptoProvider } from "../crypto/provider.ts";
import { err, ok, type Result } from "../kernel/result.ts";
import type { UnixMs } from "../kernel/time.ts";
import type { Descriptor } from "./descriptor.ts";
import { DESCRIPTOR_LIFETIME_MS, descriptorSignedBytes, MAXIMUM_CLOCK_SKEW_MS } from "./descriptor.ts";
import { nodeIdToBytes } from "./node-id.ts";

/** A descriptor whose signature and freshness were checked; the only kind a machine accepts. */
export type VerifiedDescriptor = Brand<Descriptor, "VerifiedDescriptor">;

export type DescriptorFault =
  | { readonly type: "ForgedDescriptor" }
  | { readonly type: "DescriptorFromFuture" }
  | { readonly type: "ExpiredDescriptor" };

/** Checks descriptors at the edge, before a machine sees them. */
export interface DescriptorVerifier {
  readonly verify: (descriptor: Descriptor, now: UnixMs) => Result<VerifiedDescriptor, DescriptorFault>;
}

/** Asserts that `descriptor` was made and signed in this process, so that there is nothing to check. */
export const trustOwnDescriptor = (descriptor: Descriptor): VerifiedDescriptor => descriptor as VerifiedDescriptor;

/**
 * Verifier that remembers the digests of the last `capacity` good signatures: one descriptor reaches a node many times
 * from many carriers, and a signature costs a thousand times a look-up.
 */
export const createDescriptorVerifier = (crypto: CryptoProvider, capacity = 4096): DescriptorVerifier => {
  const good = new Map<string, VerifiedDescriptor>();

  return {
    verify: (descriptor, now) => {
      const issuedAtMs = descriptor.issuedAt * 1000;
      if (issuedAtMs > now + MAXIMUM_CLOCK_SKEW_MS) return err({ type: "DescriptorFromFuture" });
      if (now - issuedAtMs > DESCRIPTOR_LIFETIME_MS) return err({ type: "ExpiredDescriptor" });
      const digest = bytesToHex(crypto.hash("SHA256", descriptor.bytes));
      const known = good.get(digest);
      if (known !== undefined) return ok(known);
      const signature = descriptor.bytes.subarray(descriptor.bytes.length - 64);
      if (!crypto.verify(nodeIdToBytes(descriptor.id), descriptorSignedBytes(descriptor.bytes), signature))
        return err({ type: "ForgedDescriptor" });
      const verified = descriptor as VerifiedDescriptor;
      good.set(digest, verified);
      if (good.size > capacity)
        for (const oldest of good.keys()) {
          good.delete(oldest);
          break;
        }
      return ok(verified);
    },
  };
};
