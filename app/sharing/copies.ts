import type { Member, NotebookCopies, NotebookCopy, Safety } from "../contract/types.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { StorageMeter } from "../ports/storage-meter.ts";
import type { Store } from "../ports/store.ts";
import { memberNames } from "../repositories/document-indexer.ts";
import type { Repository } from "../repositories/repository.ts";
import { decodeShape, encodeCbor } from "../../protocol/codec/cbor.ts";
import { nullable, tuple, uint } from "../../protocol/codec/shape.ts";
import { bytesEqual, bytesToHex } from "../../protocol/kernel/bytes.ts";
import { durationMs } from "../../protocol/kernel/time.ts";

/** What is known of one device's copy of a repository. */
interface Known {
  /** When it was last connected, Unix milliseconds. */
  readonly seenAt: number;
  /** When it last held everything this device held, and the newest item then; null while that was never so. */
  readonly complete: { readonly at: number; readonly item: number } | null;
}

/** Which devices hold how much of a notebook, as far as this device has seen. */
export interface Copies {
  /** A member's device is, or a moment ago was, connected. */
  readonly seen: (repository: Repository, device: Uint8Array) => void;
  /** It holds everything that this device holds of the repository now. */
  readonly complete: (repository: Repository, device: Uint8Array) => void;
  readonly seenAt: (repository: Repository, device: Uint8Array) => number | null;
  readonly describe: (
    repository: Repository,
    members: readonly Member[],
    online: readonly { readonly device: Uint8Array; readonly holdsAll: boolean }[],
    safe: Safety,
  ) => Promise<NotebookCopies>;
  /** Writes down what was seen lately. */
  readonly stop: () => void;
}

/** Seen ones are written down together: a crash forgets this much of them at most, and then they look older than they are. */
const KEEP_DELAY = durationMs(20_000);
/** Beyond this many nobody cares how many exactly. */
const MAX_BEHIND = 1_000;

const knownShape = tuple(uint(), nullable(tuple(uint(), uint())));

export const createCopies = (deps: {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  readonly meter: StorageMeter;
  /** This device. */
  readonly device: Uint8Array;
}): Copies => {
  const { store, clock, log, meter } = deps;
  const known = new Map<string, Known>();
  const unkept = new Set<string>();
  let timer: (() => void) | undefined;

  const keyOf = (repository: Repository, device: Uint8Array): string => `copy/${repository.id}/${bytesToHex(device)}`;

  const read = (repository: Repository, device: Uint8Array): Known | undefined => {
    const key = keyOf(repository, device);
    const held = known.get(key);
    if (held !== undefined) return held;
    const stored = store.meta.get(key);
    const decoded = stored === undefined ? undefined : decodeShape(knownShape, stored);
    if (decoded?.ok !== true) return undefined;
    const [seenAt, complete] = decoded.value;
    const value: Known = { seenAt, complete: complete === null ? null : { at: complete[0], item: complete[1] } };
    known.set(key, value);
    return value;
  };

  const keep = (): void => {
    timer = undefined;
    const keys = [...unkept];
    unkept.clear();
    const written = store.transaction(() => {
      for (const key of keys) {
        const value = known.get(key);
        if (value === undefined) continue;
        const complete = value.complete === null ? null : [value.complete.at, value.complete.item];
        store.meta.set(key, encodeCbor([value.seenAt, complete]));
      }
    }, "soon");
    if (!written.ok) log.warn("copies not kept", { fault: written.error.type });
  };
  const note = (repository: Repository, device: Uint8Array, value: Known): void => {
    const key = keyOf(repository, device);
    known.set(key, value);
    unkept.add(key);
    timer ??= clock.after(KEEP_DELAY, keep);
  };

  const formerOf = (repository: Repository): NotebookCopies["former"] => {
    const state = repository.access.state();
    const names = memberNames(store, repository);
    const present = new Set(repository.access.members().map(({ idRoot }) => bytesToHex(idRoot)));
    const former = new Map<string, NotebookCopies["former"][number]>();
    for (const { id: op, idRoot, ts, body } of repository.access.ops()) {
      if ((body.type !== "remove" && body.type !== "leave") || state.verdictOf(op) !== "valid") continue;
      for (const who of body.type === "remove" ? body.who : [idRoot]) {
        const id = bytesToHex(who);
        const how = body.type === "remove" ? "removed" : "left";
        if (!present.has(id)) former.set(id, { id, name: names[id] ?? `Member ${id.slice(0, 8)}`, how, at: ts * 1000 });
      }
    }
    return [...former.values()];
  };

  return {
    seen: (repository, device) =>
      note(repository, device, {
        seenAt: clock.unix(),
        complete: read(repository, device)?.complete ?? null,
      }),
    complete: (repository, device) => {
      const at = clock.unix();
      note(repository, device, { seenAt: at, complete: { at, item: store.entries.newest() } });
    },
    seenAt: (repository, device) => read(repository, device)?.seenAt ?? null,
    describe: async (repository, members, online, safe) => {
      const copyOf = (device: Uint8Array): NotebookCopy => {
        const id = bytesToHex(device);
        const connected = online.find((one) => bytesEqual(one.device, device));
        const now = clock.unix();
        if (bytesEqual(device, deps.device))
          return { device: id, self: true, online: true, seenAt: now, completeAt: now, behind: 0 };
        if (connected?.holdsAll === true)
          return { device: id, self: false, online: true, seenAt: now, completeAt: now, behind: 0 };
        const value = read(repository, device);
        const complete = value?.complete ?? null;
        return {
          device: id,
          self: false,
          online: connected !== undefined,
          seenAt: connected === undefined ? (value?.seenAt ?? null) : now,
          completeAt: complete?.at ?? null,
          behind: complete === null ? null : store.entries.since(repository.n, complete.item, device, MAX_BEHIND),
        };
      };
      const devices = new Map(
        repository.access.members().map((member) => [bytesToHex(member.idRoot), member.devices] as const),
      );
      const { pending, undelivered } = store.repositories.backlog(repository.n);
      const files = store.blobs.usage().find((usage) => usage.repository === repository.n);
      const sizes = await meter.measure(repository.n);
      return {
        members: members.map(({ id, name, role, self }) => ({
          id,
          name,
          role,
          self,
          devices: (devices.get(id) ?? []).map(copyOf),
        })),
        former: formerOf(repository),
        pending,
        undelivered,
        safe,
        storage: {
          snapshots: sizes?.snapshots ?? null,
          history: sizes?.history ?? null,
          items: sizes?.items ?? null,
          files: files?.held ?? 0,
          allFiles: files?.bytes ?? 0,
        },
      };
    },
    stop: () => {
      timer?.();
      if (unkept.size > 0) keep();
    },
  };
};
