import { decodeShape, encodeCbor } from "../../protocol/codec/cbor.ts";
import { array, bytes, literal, mapped, tagged, text, tuple, uint } from "../../protocol/codec/shape.ts";
import { bytesToHex, hexToBytes } from "../../protocol/kernel/bytes.ts";

/** An invite this device made: with its items, all the inviter machine needs to go on after a restart. */
export interface InviterRecord {
  readonly type: "inviter";
  readonly secret: Uint8Array;
  readonly mode: "auto" | "ask";
  readonly role: "reader" | "writer";
  /** Id of the invite op. */
  readonly invite: Uint8Array;
  /** Unix milliseconds. */
  readonly expiresAt: number;
  /** What the person decided, by request id. */
  readonly decisions: readonly (readonly [id: string, decision: "approve" | "decline"])[];
}

/** An attempt of this device to join. */
export interface JoinerRecord {
  readonly type: "joiner";
  readonly secret: Uint8Array;
  readonly label: string;
  readonly addresses: readonly string[];
  readonly seed: Uint8Array;
  readonly expiresAt: number;
}

const MAX_DECISIONS = 64;
const MAX_ADDRESSES = 8;
const LONGEST_ADDRESS = 128;
const LONGEST_LABEL = 256;

export const encodeInviteRecord = (record: InviterRecord | JoinerRecord): Uint8Array =>
  record.type === "inviter"
    ? encodeCbor([
        1,
        record.secret,
        record.mode === "ask" ? 0 : 1,
        record.role === "reader" ? 1 : 2,
        record.invite,
        record.expiresAt,
        record.decisions.map(([id, decision]) => [hexToBytes(id) as Uint8Array, decision === "approve" ? 1 : 0]),
      ])
    : encodeCbor([2, record.secret, record.label, record.addresses, record.seed, record.expiresAt]);

const shape = tagged<InviterRecord | JoinerRecord>({
  1: mapped(
    tuple(literal(1), bytes(16), uint(1), uint(2), bytes(32), uint(), array(tuple(bytes(16), uint(1)), MAX_DECISIONS)),
    ([, secret, mode, role, invite, expiresAt, decisions]) => ({
      type: "inviter",
      secret,
      mode: mode === 0 ? "ask" : "auto",
      role: role === 1 ? "reader" : "writer",
      invite,
      expiresAt,
      decisions: decisions.map(([id, yes]) => [bytesToHex(id), yes === 1 ? "approve" : "decline"] as const),
    }),
  ),
  2: mapped(
    tuple(literal(2), bytes(16), text(LONGEST_LABEL), array(text(LONGEST_ADDRESS), MAX_ADDRESSES), bytes(32), uint()),
    ([, secret, label, addresses, seed, expiresAt]) => ({ type: "joiner", secret, label, addresses, seed, expiresAt }),
  ),
});

/** `undefined` for a damaged row. */
export const decodeInviteRecord = (encoded: Uint8Array): InviterRecord | JoinerRecord | undefined => {
  const decoded = decodeShape(shape, encoded);
  return decoded.ok ? decoded.value : undefined;
};
