import { array, hexOf, object, oneOf, text } from "../contract/decode.ts";
import type { IdentityColour } from "../contract/types.ts";
import { IDENTITY_COLOURS } from "../contract/types.ts";
import type { Result } from "../../protocol/kernel/result.ts";
import { err, ok } from "../../protocol/kernel/result.ts";

/** What an install remembers of one of its identities while it is closed. */
export interface ListedIdentity {
  /** Random, 16 hex digits; `FIRST_IDENTITY` for the one whose files lie in the data folder itself. */
  readonly id: string;
  /** "" while nobody gave it a name. */
  readonly name: string;
  readonly colour: IdentityColour;
}

/** The identity of an install that never had another: its files lie where a single one always had them. */
export const FIRST_IDENTITY = "0000000000000000";
export const IDENTITY_ID_BYTES = 8;
/** Each keeps a socket, a database and its threads open. */
export const MAX_IDENTITIES = 16;
/** As the contract bounds names. */
const MAX_NAME = 200;

const file = object({
  version: oneOf("1"),
  identities: array(
    object({ id: hexOf(IDENTITY_ID_BYTES), name: text(0, MAX_NAME), colour: oneOf(...IDENTITY_COLOURS) }),
    MAX_IDENTITIES,
  ),
});

/** Reads the list file; refuses unknown fields, wrong forms and an id named twice. */
export const decodeIdentityList = (json: string): Result<readonly ListedIdentity[], { readonly type: "BadList" }> => {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    return err({ type: "BadList" });
  }
  const decoded = file(value);
  if (!decoded.ok) return err({ type: "BadList" });
  const { identities } = decoded.value;
  return new Set(identities.map(({ id }) => id)).size === identities.length ? ok(identities) : err({ type: "BadList" });
};

export const encodeIdentityList = (identities: readonly ListedIdentity[]): string =>
  `${JSON.stringify({ version: "1", identities }, undefined, 2)}\n`;

/** The first colour that none of them has; they repeat when all are taken. */
export const nextColour = (identities: readonly ListedIdentity[]): IdentityColour =>
  IDENTITY_COLOURS.find((colour) => identities.every((one) => one.colour !== colour)) ??
  (IDENTITY_COLOURS[identities.length % IDENTITY_COLOURS.length] as IdentityColour);
