import { decodeShape, encodeCbor } from "../../protocol/codec/cbor.ts";
import { bytesUpTo, literal, mapped, nullable, text, tuple, uint } from "../../protocol/codec/shape.ts";

/** What is kept of a person besides what the notebooks say. Times in Unix milliseconds. */
export interface ContactRecord {
  /** Name given to them here, "" for none. */
  readonly name: string;
  /** Name they went by last, "" while none was seen. */
  readonly called: string;
  readonly state: "known" | "blocked" | "removed";
  /** When the 30 digits were compared; null for never. */
  readonly verifiedAt: number | null;
  readonly firstSeen: number;
  /** When somebody last decided something about them on one of the own devices, 0 for never: the later word counts. */
  readonly changedAt: number;
  /** Their contact card as they gave it. */
  readonly card: Uint8Array | null;
}

const STATES = ["known", "blocked", "removed"] as const;
/** In UTF-8 bytes. */
export const LONGEST_NAME = 1024;
/** 256 device log steps of some 300 bytes. */
const LONGEST_CARD = 96 * 1024;

export const encodeContactRecord = (record: ContactRecord): Uint8Array =>
  encodeCbor([
    1,
    record.name,
    record.called,
    STATES.indexOf(record.state),
    record.verifiedAt,
    record.firstSeen,
    record.changedAt,
    record.card,
  ]);

const shape = mapped(
  tuple(
    literal(1),
    text(LONGEST_NAME),
    text(LONGEST_NAME),
    uint(STATES.length - 1),
    nullable(uint()),
    uint(),
    uint(),
    nullable(bytesUpTo(LONGEST_CARD)),
  ),
  ([, name, called, state, verifiedAt, firstSeen, changedAt, card]): ContactRecord => ({
    name,
    called,
    state: STATES[state] ?? "known",
    verifiedAt,
    firstSeen,
    changedAt,
    card: card === null ? null : card.slice(),
  }),
);

/** `undefined` for a damaged record. */
export const decodeContactRecord = (encoded: Uint8Array): ContactRecord | undefined => {
  const decoded = decodeShape(shape, encoded);
  return decoded.ok ? decoded.value : undefined;
};
