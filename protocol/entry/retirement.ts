import { decodeShape, encodeCbor } from "../codec/cbor.ts";
import { array, bytes } from "../codec/shape.ts";
import type { DecodeError, Result } from "../kernel/result.ts";
import { BODY_LIMITS, ITEM_KINDS } from "./item.ts";

/** An oid takes 34 bytes of CBOR, the array around them 3. */
export const MAX_RETIRED = Math.floor((BODY_LIMITS[ITEM_KINDS.retire] - 3) / 34);

/** Body of an item of kind 3: at most `MAX_RETIRED` oids of its topic that a checkpoint covers or others replace. */
export const encodeRetirement = (oids: readonly Uint8Array[]): Uint8Array => encodeCbor([...oids]);

export const readRetirement = (body: Uint8Array): Result<readonly Uint8Array[], DecodeError> =>
  decodeShape(retirementShape, body);

const retirementShape = array(bytes(32), MAX_RETIRED);
