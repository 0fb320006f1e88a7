import type { Presence } from "../contract/types.ts";
import type { Clock } from "../ports/clock.ts";
import type { Repository } from "../repositories/repository.ts";
import { decodeShape, encodeCbor } from "../../protocol/codec/cbor.ts";
import { bytes, nullable, text, tuple } from "../../protocol/codec/shape.ts";
import { bytesToHex } from "../../protocol/kernel/bytes.ts";
import { durationMs } from "../../protocol/kernel/time.ts";

export interface PresenceBook {
  readonly encode: (did: Uint8Array, cursor: string | null) => Uint8Array;
  /** Notes where a member's caret is. */
  readonly received: (repository: Repository, device: Uint8Array, state: Uint8Array) => void;
  readonly of: (repository: Repository, did: Uint8Array) => readonly Presence[];
  readonly stop: () => void;
}

/** Stable positions of a selection are some 100 characters; four times that for long actors. */
const MAX_CURSOR = 1_000;
/** A caret not heard of for this long has gone: editors repeat theirs every ten seconds. */
const PRESENCE_TIME = durationMs(30_000);
const stateShape = tuple(bytes(16), nullable(text(MAX_CURSOR)));

interface Seen {
  readonly device: Uint8Array;
  readonly cursor: string | null;
  readonly at: number;
}

/** Who has which document open, as far as they told; nothing of it is stored. */
export const createPresence = (deps: {
  readonly clock: Clock;
  readonly nameOf: (repository: Repository, device: Uint8Array) => string | undefined;
  /** Whose carets are in a document has changed. */
  readonly changed: (repository: Repository, did: Uint8Array, present: readonly Presence[]) => void;
}): PresenceBook => {
  const { clock, nameOf } = deps;
  /** Carets are taken away when nothing was heard of them for too long. */
  const timers = new Map<string, () => void>();
  const seen = new Map<string, Map<string, Seen>>();
  const keyOf = (repository: Repository, did: Uint8Array): string => repository.id + bytesToHex(did);
  const of: PresenceBook["of"] = (repository, did) => {
    const now = clock.monotonic();
    return [...(seen.get(keyOf(repository, did))?.values() ?? [])]
      .filter(({ at }) => now - at < PRESENCE_TIME)
      .map(({ device, cursor }) => ({
        peer: bytesToHex(device),
        name: nameOf(repository, device) ?? "",
        cursor,
      }));
  };
  const show = (repository: Repository, did: Uint8Array): void => {
    const key = keyOf(repository, did);
    const present = of(repository, did);
    deps.changed(repository, did, present);
    timers.get(key)?.();
    timers.delete(key);
    if (present.length > 0)
      timers.set(
        key,
        clock.after(PRESENCE_TIME, () => show(repository, did)),
      );
  };
  return {
    encode: (did, cursor) => encodeCbor([did, cursor]),
    received: (repository, device, state) => {
      const decoded = decodeShape(stateShape, state);
      if (!decoded.ok || nameOf(repository, device) === undefined) return;
      const [did, cursor] = decoded.value;
      const key = keyOf(repository, did);
      const book = seen.get(key) ?? new Map<string, Seen>();
      seen.set(key, book);
      if (cursor === null) book.delete(bytesToHex(device));
      else book.set(bytesToHex(device), { device, cursor, at: clock.monotonic() });
      show(repository, did);
    },
    of,
    stop: () => {
      for (const cancel of timers.values()) cancel();
    },
  };
};
