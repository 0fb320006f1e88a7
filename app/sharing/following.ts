import { storeFailure } from "../identities/identity-service.ts";
import type { ContractError } from "../contract/errors.ts";
import type { FollowingPriority } from "../contract/types.ts";
import type { Store } from "../ports/store.ts";
import type { Repository } from "../repositories/repository.ts";
import { decodeShape, encodeCbor } from "../../protocol/codec/cbor.ts";
import { array, bytes, tuple, uint } from "../../protocol/codec/shape.ts";
import { bytesEqual } from "../../protocol/kernel/bytes.ts";
import type { Result } from "../../protocol/kernel/result.ts";
import { err, ok } from "../../protocol/kernel/result.ts";

/** How this device follows one notebook; nothing of it is told to anyone. */
export interface FollowingTerms {
  /** Nothing of it is sent or received. */
  readonly isPaused: boolean;
  readonly priority: FollowingPriority;
  /** Static keys of the own proxies that do not keep it. */
  readonly without: readonly Uint8Array[];
}

export interface Following {
  readonly terms: (repository: Repository) => FollowingTerms;
  readonly isPaused: (repository: Repository) => boolean;
  /** 0 is brought up to date before 1, and 1 before 2. */
  readonly rank: (repository: Repository) => number;
  readonly usesProxy: (repository: Repository, staticKey: Uint8Array) => boolean;
  readonly set: (repository: Repository, change: Partial<FollowingTerms>) => Result<null, ContractError>;
  /** Drops what is known of a repository whose row is deleted. Inside a transaction. */
  readonly forget: (id: string) => void;
}

const PRIORITIES = ["first", "normal", "last"] as const satisfies readonly FollowingPriority[];
/** data.md section 16: proxies per identity; a few more may have been removed since. */
const MAX_WITHOUT = 32;
const termsShape = tuple(uint(1), uint(PRIORITIES.length - 1), array(bytes(32), MAX_WITHOUT));
const DEFAULT_TERMS: FollowingTerms = { isPaused: false, priority: "normal", without: [] };

const keyOf = ({ id }: Pick<Repository, "id">): string => `follow/${id}`;

/** Which notebooks rest, which come first, and which proxies keep them; changed rarely and asked for at every item. */
export const createFollowing = (store: Store): Following => {
  const known = new Map<string, FollowingTerms>();

  const read = (repository: Repository): FollowingTerms => {
    const stored = store.meta.get(keyOf(repository));
    const decoded = stored === undefined ? undefined : decodeShape(termsShape, stored);
    if (decoded?.ok !== true) return DEFAULT_TERMS;
    const [paused, priority, without] = decoded.value;
    return { isPaused: paused === 1, priority: PRIORITIES[priority] ?? "normal", without };
  };
  const terms: Following["terms"] = (repository) => {
    const found = known.get(repository.id) ?? read(repository);
    known.set(repository.id, found);
    return found;
  };

  return {
    terms,
    isPaused: (repository) => terms(repository).isPaused,
    rank: (repository) => PRIORITIES.indexOf(terms(repository).priority),
    usesProxy: (repository, staticKey) => !terms(repository).without.some((key) => bytesEqual(key, staticKey)),
    set: (repository, change) => {
      const next = { ...terms(repository), ...change };
      const written = store.transaction(() =>
        store.meta.set(
          keyOf(repository),
          encodeCbor([next.isPaused ? 1 : 0, PRIORITIES.indexOf(next.priority), next.without.slice(0, MAX_WITHOUT)]),
        ),
      );
      if (!written.ok) return err(storeFailure(written.error));
      known.set(repository.id, next);
      return ok(null);
    },
    forget: (id) => {
      known.delete(id);
      store.meta.remove(keyOf({ id }));
    },
  };
};
