import type { SigningKey } from "../crypto/provider.ts";
import { invariant } from "../kernel/assert.ts";
import { ascii, concatBytes } from "../kernel/bytes.ts";
import { createReader, type Reader } from "../kernel/reader.ts";
import type { DecodeError, Result } from "../kernel/result.ts";
import { createWriter } from "../kernel/writer.ts";
import { type BlippedProfile, MAXIMUM_PROFILE_BYTES } from "./blipped-profile.ts";
import { bytesToNodeId, NODE_ID_BYTES, type NodeId, shortNodeId } from "./node-id.ts";

/** Where a node listens. `host` is 4 or 16 address bytes, or the ASCII bytes of a DNS name. */
export interface Address {
  readonly kind: "ipv4" | "ipv6" | "dns";
  readonly host: Uint8Array;
  readonly port: number;
}

/** A node's statement about itself; everything here is covered by its signature (descriptor SPEC, table 1). */
export interface Descriptor {
  readonly id: NodeId;
  /** `shortNodeId(id)`, kept because every merge of views compares it. */
  readonly shortId: number;
  /** Grows with every new descriptor of the node; the higher one wins. */
  readonly sequence: number;
  /** Unix seconds. */
  readonly issuedAt: number;
  /** X25519 static key of the node's Noise sessions. */
  readonly transportKey: Uint8Array;
  /** False for a node behind a NAT: it may hold views but must not be a target of others' exchanges. */
  readonly reachable: boolean;
  readonly addresses: readonly Address[];
  readonly profile: BlippedProfile | undefined;
  /** The signed encoding, kept so that carriers forward it unchanged. */
  readonly bytes: Uint8Array;
}

export interface DescriptorContent {
  readonly sequence: number;
  readonly issuedAt: number;
  readonly transportKey: Uint8Array;
  readonly reachable: boolean;
  readonly addresses: readonly Address[];
  readonly profile: BlippedProfile | undefined;
}

const VERSION = 1;
/** Placeholder while a truncated input is read to its error. */
const NO_NODE = "" as NodeId;
const FLAG_REACHABLE = 1;
const SIGNATURE_BYTES = 64;
const SIGNATURE_DOMAIN = ascii("p2pcollab/descriptor/v1\0");
const ADDRESS_KINDS = ["ipv4", "ipv6", "dns"] as const;
/** RFC 1035 section 2.3.4. */
const MAXIMUM_DNS_BYTES = 253;

/** Bound of one descriptor: eight of them in a reply stay within 8 KiB. */
export const MAXIMUM_DESCRIPTOR_BYTES = 1024;
export const MAXIMUM_ADDRESSES = 4;
/** Tolerated difference between two honest clocks. */
export const MAXIMUM_CLOCK_SKEW_MS = 120_000;
/** A node re-issues its descriptor every ten minutes; two days bridge a weekend's sleep. */
export const DESCRIPTOR_LIFETIME_MS = 48 * 3_600_000;

/** Encodes and signs a descriptor of the holder of `key`. */
export const createDescriptor = (key: SigningKey, content: DescriptorContent): Descriptor => {
  const id = bytesToNodeId(key.publicKey);
  invariant(id !== undefined, "an Ed25519 public key has 32 bytes");
  invariant(content.transportKey.length === 32, "an X25519 public key has 32 bytes");
  invariant(content.addresses.length <= MAXIMUM_ADDRESSES, "too many addresses");
  invariant((content.profile?.length ?? 0) <= MAXIMUM_PROFILE_BYTES, "profile too long");
  const writer = createWriter(MAXIMUM_DESCRIPTOR_BYTES, 320);
  writer.u8(VERSION);
  writer.raw(key.publicKey);
  writer.u53(content.sequence);
  writer.u32(content.issuedAt);
  writer.raw(content.transportKey);
  writer.u8(content.reachable ? FLAG_REACHABLE : 0);
  writer.u8(content.addresses.length);
  for (const address of content.addresses) {
    invariant(hostFits(address.kind, address.host), `malformed ${address.kind} address`);
    writer.u8(ADDRESS_KINDS.indexOf(address.kind));
    writer.u8(address.host.length);
    writer.raw(address.host);
    writer.u16(address.port);
  }
  writer.u16(content.profile?.length ?? 0);
  if (content.profile !== undefined) writer.raw(content.profile);
  const unsigned = writer.finish();
  const bytes = concatBytes(unsigned, key.sign(concatBytes(SIGNATURE_DOMAIN, unsigned)));
  return { id, shortId: shortNodeId(id), ...content, bytes };
};

/** What the signature at the end of `bytes` covers. */
export const descriptorSignedBytes = (bytes: Uint8Array): Uint8Array =>
  concatBytes(SIGNATURE_DOMAIN, bytes.subarray(0, bytes.length - SIGNATURE_BYTES));

/** Reads one descriptor; its signature is not checked here but by a `DescriptorVerifier`. */
export const decodeDescriptor = (bytes: Uint8Array): Result<Descriptor, DecodeError> => {
  const reader = createReader(bytes);
  if (bytes.length > MAXIMUM_DESCRIPTOR_BYTES) reader.fail("descriptor-size");
  if (reader.u8() !== VERSION) reader.fail("descriptor-version");
  const publicKey = reader.take(NODE_ID_BYTES);
  const id = bytesToNodeId(publicKey) ?? NO_NODE;
  const sequence = reader.u53();
  const issuedAt = reader.u32();
  const transportKey = reader.take(32).slice();
  const flags = reader.u8();
  if (flags > FLAG_REACHABLE) reader.fail("descriptor-flags");
  const addresses = readAddresses(reader);
  const profileLength = reader.bounded(reader.u16(), MAXIMUM_PROFILE_BYTES, "profile-size");
  const profile = profileLength === 0 ? undefined : (reader.take(profileLength).slice() as BlippedProfile);
  reader.take(SIGNATURE_BYTES);
  return reader.finish({
    id,
    shortId: shortNodeId(id),
    sequence,
    issuedAt,
    transportKey,
    reachable: flags === FLAG_REACHABLE,
    addresses,
    profile,
    bytes: bytes.slice(),
  });
};

const readAddresses = (reader: Reader): Address[] => {
  const addresses: Address[] = [];
  const count = reader.bounded(reader.u8(), MAXIMUM_ADDRESSES, "address-count");
  for (let i = 0; i < count; i++) {
    const kind = ADDRESS_KINDS[reader.u8()];
    const host = reader.take(reader.u8()).slice();
    const port = reader.u16();
    if (kind === undefined || !hostFits(kind, host) || port === 0) reader.fail("address");
    else addresses.push({ kind, host, port });
  }
  return addresses;
};

const hostFits = (kind: Address["kind"], host: Uint8Array): boolean => {
  if (kind === "ipv4") return host.length === 4;
  if (kind === "ipv6") return host.length === 16;
  return host.length > 0 && host.length <= MAXIMUM_DNS_BYTES && host.every((byte) => byte > 0x20 && byte < 0x7f);
};
