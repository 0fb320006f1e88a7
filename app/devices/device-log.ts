import type { CryptoProvider, SigningKey } from "../../protocol/crypto/provider.ts";
import type { IdentityState } from "../../protocol/identity/identity-log.ts";
import { evaluateIdentity } from "../../protocol/identity/identity-log.ts";
import type { IdentityOpBody, VerifiedIdentityOp } from "../../protocol/identity/identity-op.ts";
import { signIdentityOp } from "../../protocol/identity/identity-op.ts";
import { bytesEqual, bytesToHex } from "../../protocol/kernel/bytes.ts";
import type { RandomSource } from "../../protocol/kernel/random.ts";
import { randomBelow } from "../../protocol/kernel/random.ts";
import { durationMs } from "../../protocol/kernel/time.ts";
import type { OwnRecord } from "../identities/identity-service.ts";
import type { Profile } from "../identities/profile.ts";
import { MAX_OPS } from "../identities/profile.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { Store } from "../ports/store.ts";
import type { Repository } from "../repositories/repository.ts";
import type { RepositoryService } from "../repositories/repository-service.ts";
import { cutsOf } from "../sharing/cuts.ts";
import type { MemberService } from "../sharing/member-service.ts";

/** The own identity's log: what this device knows of it, and its way into every repository. */
export interface DeviceLog {
  readonly state: () => IdentityState;
  /** Signs a step of the log and tells every repository at once. */
  readonly author: (signer: SigningKey, body: IdentityOpBody) => void;
  /** Takes steps that came from elsewhere; answers whether one was news. */
  readonly take: (ops: readonly VerifiedIdentityOp[]) => boolean;
  /** Tells every repository what it does not know of the log. */
  readonly publish: () => void;
  /** Whether the repository knows all of the log. */
  readonly isPublished: (repository: Repository) => boolean;
  /** New ACL ops of a repository may carry steps of the log, or show that it lacks some. */
  readonly accessChanged: (repository: Repository) => void;
  readonly stop: () => void;
}

/** Parents one step can name. */
const MAX_PARENTS = 16;
/** All own devices learn of a step; whose turn comes first tells a repository that lacks it. */
const SPREAD_FROM_MS = 300;
const SPREAD_MS = 2_500;

/** Steps that count and what they build on; others are not kept, nor are keys that a later one of the same device replaced. */
const relevantOps = (idRoot: Uint8Array, ops: readonly VerifiedIdentityOp[]): readonly VerifiedIdentityOp[] => {
  const byId = new Map(ops.map((op) => [bytesToHex(op.id), op]));
  const { valid, devices } = evaluateIdentity(idRoot, ops);
  const isReplaced = (id: string): boolean => {
    const body = byId.get(id)?.body;
    if (body?.type !== "rekeyDevice") return false;
    const device = devices.get(bytesToHex(body.devSig));
    return device === undefined || !bytesEqual(device.devEnc, body.devEnc);
  };
  const open = [...valid].filter((id) => !isReplaced(id));
  const kept = new Set<string>();
  for (let id = open.pop(); id !== undefined; id = open.pop()) {
    if (kept.has(id)) continue;
    kept.add(id);
    open.push(...(byId.get(id)?.parents ?? []).map(bytesToHex));
  }
  return [...byId].filter(([id]) => kept.has(id)).map(([, op]) => op);
};

export const createDeviceLog = (deps: {
  readonly store: Store;
  readonly crypto: CryptoProvider;
  readonly random: RandomSource;
  readonly clock: Clock;
  readonly log: Log;
  readonly repositories: RepositoryService;
  readonly members: MemberService;
  readonly profile: Profile;
  readonly record: OwnRecord;
  readonly changed: () => void;
}): DeviceLog => {
  const { store, crypto, random, clock, log, repositories, members, profile, record } = deps;
  let timer: (() => void) | undefined;

  const state = (): IdentityState => evaluateIdentity(profile.idRoot, profile.ops);

  const missingIn = (repository: Repository): readonly VerifiedIdentityOp[] => {
    const known = new Set(repository.access.identityOps(profile.idRoot).map(({ id }) => bytesToHex(id)));
    return profile.ops.filter(({ id }) => !known.has(bytesToHex(id)));
  };

  const publishIn = (repository: Repository): void => {
    if (repositories.membership(repository) !== "active" || !repositories.canSpeak(repository)) return;
    const missing = missingIn(repository);
    if (missing.length === 0) return;
    const isNewcomer = missing.some(({ body }) => body.type === "addDevice");
    const isRenewal = missing.some(({ body }) => body.type === "rekeyDevice");
    const revoked = missing.flatMap(({ body }) => (body.type === "revokeDevice" ? [bytesToHex(body.devSig)] : []));
    // Who comes after a change of keys finds the whole membership in the topic it is given.
    if (isNewcomer && repositories.canWrite(repository) && repository.access.state().epochs.length > 1) {
      const published = repositories.publishOps(repository);
      if (!published.ok) log.warn("ops not published", { fault: published.error.type });
    }
    const cuts = revoked.length === 0 ? [] : cutsOf(store, repository, new Set(revoked), undefined);
    const written = repositories.author(repository, { type: "devices", identityOps: missing, cuts });
    if (!written.ok) {
      log.warn("devices not published", { fault: written.error.type });
      return;
    }
    if (revoked.length === 0 && !isRenewal) return;
    // Where this device may not, the next writer does it before anything more is written.
    const rotated = members.rotate(repository);
    if (!rotated.ok) log.info("keys not changed", { fault: rotated.error.type });
  };

  const publish = (): void => {
    timer?.();
    timer = undefined;
    // Home first: what other repositories get new keys for is written there.
    const home = repositories.home();
    for (const repository of [...(home === undefined ? [] : [home]), ...repositories.all()]) publishIn(repository);
    deps.changed();
  };

  const publishSoon = (): void => {
    timer ??= clock.after(durationMs(SPREAD_FROM_MS + randomBelow(random, SPREAD_MS)), publish);
  };

  const keep = (ops: readonly VerifiedIdentityOp[]): boolean => {
    const known = new Set(profile.ops.map(({ id }) => bytesToHex(id)));
    if (ops.every(({ id }) => known.has(bytesToHex(id)))) return false;
    const kept = relevantOps(profile.idRoot, [...profile.ops, ...ops]);
    if (kept.length > MAX_OPS || kept.every(({ id }) => known.has(bytesToHex(id)))) return false;
    void record.save({ ops: kept }).then((saved) => {
      if (!saved.ok) log.error("device log not saved", { fault: saved.error.type });
    });
    return true;
  };

  return {
    state,
    author: (signer, body) => {
      // Nothing builds on a change of key, so that it can be forgotten when the next one comes.
      const base = profile.ops.filter((known) => known.body.type !== "rekeyDevice");
      const { heads, nextGen } = evaluateIdentity(profile.idRoot, base);
      const op = signIdentityOp(crypto, signer, {
        idRoot: profile.idRoot,
        parents: heads.slice(-MAX_PARENTS),
        gen: nextGen,
        ts: Math.floor(clock.unix() / 1000),
        body,
      });
      keep([op]);
      publish();
    },
    take: (ops) => {
      if (!keep(ops)) return false;
      publishSoon();
      deps.changed();
      return true;
    },
    publish,
    isPublished: (repository) => missingIn(repository).length === 0,
    accessChanged: (repository) => {
      const isNews = keep(repository.access.identityOps(profile.idRoot));
      if (isNews || missingIn(repository).length > 0) publishSoon();
      deps.changed();
    },
    stop: () => timer?.(),
  };
};
