import type { AclBody, Cuts } from "../../protocol/acl/acl-op.ts";
import { ROLES } from "../../protocol/acl/acl-op.ts";
import type { RepositoryPolicy } from "../../protocol/acl/policy.ts";
import { encodePolicy, readPolicy } from "../../protocol/acl/policy.ts";
import type { CryptoProvider } from "../../protocol/crypto/provider.ts";
import type { SealRecipient } from "../../protocol/epoch/epoch-body.ts";
import { deviceRecipient, sealEpoch } from "../../protocol/epoch/epoch-body.ts";
import type { EpochSecret } from "../../protocol/epoch/epoch-keys.ts";
import { bytesEqual, bytesToHex, hexToBytes } from "../../protocol/kernel/bytes.ts";
import type { RandomSource } from "../../protocol/kernel/random.ts";
import type { Result } from "../../protocol/kernel/result.ts";
import { err, ok } from "../../protocol/kernel/result.ts";
import type { ContractError } from "../contract/errors.ts";
import { contractError } from "../contract/errors.ts";
import type { Role } from "../contract/types.ts";
import { storeFailure } from "../identities/identity-service.ts";
import type { Profile } from "../identities/profile.ts";
import type { Store } from "../ports/store.ts";
import { foundEpoch } from "../repositories/epochs.ts";
import type { Repository } from "../repositories/repository.ts";
import type { RepositoryService } from "../repositories/repository-service.ts";
import { cutsOf } from "./cuts.ts";

type Done = Result<null, ContractError>;

/** Who belongs to a notebook and what each may do, as this identity changes it. */
export interface MemberService {
  readonly setRole: (repository: Repository, member: string, role: Exclude<Role, "owner">) => Done;
  /** `discardAfter`, Unix milliseconds: also what they wrote later than that no longer counts, unless others built on it. */
  readonly remove: (repository: Repository, members: readonly string[], discardAfter: number | undefined) => Done;
  readonly leave: (repository: Repository) => Done;
  readonly transfer: (repository: Repository, member: string) => Done;
  readonly policy: (repository: Repository) => RepositoryPolicy;
  readonly setPolicy: (repository: Repository, change: Partial<RepositoryPolicy>) => Done;
  /** Founds a new epoch now, without waiting until one is due. */
  readonly rotate: (repository: Repository) => Done;
}

const NUMBERS = { reader: ROLES.reader, writer: ROLES.writer, admin: ROLES.admin } as const;

const refuse = (message: string): Done => err(contractError("NotAllowed", message));

export const createMemberService = (deps: {
  readonly store: Store;
  readonly crypto: CryptoProvider;
  readonly random: RandomSource;
  readonly repositories: RepositoryService;
  readonly profile: Profile;
}): MemberService => {
  const { store, crypto, random, repositories, profile } = deps;

  const author = (repository: Repository, body: AclBody, secret?: EpochSecret): Done => {
    if (!repositories.canSpeak(repository)) return refuse("The keys of this notebook have not come yet.");
    const written = repositories.author(repository, body, secret);
    return written.ok ? ok(null) : err(storeFailure(written.error));
  };

  const ownRole = (repository: Repository): number => repository.access.state().roleOf(profile.idRoot);
  const isSelf = (idRoot: Uint8Array): boolean => bytesEqual(profile.idRoot, idRoot);

  const cutsOfMembers = (repository: Repository, who: readonly Uint8Array[], discardAfter: number | undefined): Cuts =>
    cutsOf(
      store,
      repository,
      new Set(who.flatMap((idRoot) => repository.access.devicesEver(idRoot).map(bytesToHex))),
      discardAfter,
    );

  const rotationFor = (
    repository: Repository,
    change: (recipient: SealRecipient) => SealRecipient | undefined,
  ): Result<ReturnType<typeof foundEpoch>, ContractError> => {
    const parents = repositories.headSecrets(repository);
    if (parents === undefined) return err(contractError("KeysMissing"));
    const recipients = repository.access.state().recipients.flatMap((recipient) => change(recipient) ?? []);
    return ok(foundEpoch({ crypto, random }, repository.rid, parents, recipients));
  };

  const belongsTo = (repository: Repository, recipient: SealRecipient, who: readonly Uint8Array[]): boolean => {
    const member = repository.access.memberOfDevice(recipient.identifier);
    return member !== undefined && who.some((idRoot) => bytesEqual(idRoot, member.idRoot));
  };

  /** Why this identity may not change the role of `idRoot`, if it may not. */
  const objection = (repository: Repository, idRoot: Uint8Array): Done => {
    const own = ownRole(repository);
    const theirs = repository.access.state().roleOf(idRoot);
    if (own < ROLES.admin) return refuse("Only admins and the owner can change who may do what.");
    if (isSelf(idRoot)) return refuse("You cannot change your own role. Leave the notebook, or ask somebody else.");
    if (theirs === ROLES.owner) return refuse("The owner's role cannot be changed. Only the owner can hand it on.");
    if (theirs === ROLES.admin && own !== ROLES.owner) return refuse("Only the owner can change the role of an admin.");
    return ok(null);
  };

  const demoteToReader = (repository: Repository, idRoot: Uint8Array): Done => {
    const epoch = rotationFor(repository, (recipient) =>
      belongsTo(repository, recipient, [idRoot]) ? { ...recipient, writer: false } : recipient,
    );
    if (!epoch.ok) return epoch;
    const cuts = cutsOfMembers(repository, [idRoot], undefined);
    const set = { type: "set", who: idRoot, role: ROLES.reader, identityOps: [], seals: [], cuts } as const;
    return author(repository, { ...set, epoch: epoch.value.body }, epoch.value.secret);
  };

  return {
    setRole: (repository, member, role) => {
      const idRoot = hexToBytes(member) as Uint8Array;
      const state = repository.access.state();
      const current = state.members.find((one) => bytesEqual(one.idRoot, idRoot));
      if (current === undefined) return err(contractError("MemberNotFound"));
      const objected = objection(repository, idRoot);
      if (!objected.ok) return objected;
      if (role === "admin" && ownRole(repository) !== ROLES.owner)
        return refuse("Only the owner can make somebody an admin.");
      if (current.role === NUMBERS[role]) return ok(null);
      if (role === "reader") return demoteToReader(repository, idRoot);
      const secrets = repositories.headSecrets(repository);
      if (secrets === undefined) return err(contractError("KeysMissing"));
      // An admin holds all that a writer does; a reader lacks the write secrets.
      const recipients = current.devices.map(({ devSig, devEnc }) => deviceRecipient(devSig, devEnc, true));
      const seals = (current.role === ROLES.reader ? secrets : []).flatMap((secret) => {
        const sealed = sealEpoch(crypto, random, repository.rid, secret, recipients);
        return sealed.ok ? sealed.value : [];
      });
      const body = { type: "set", who: idRoot, role: NUMBERS[role], identityOps: [], seals, cuts: null } as const;
      return author(repository, { ...body, epoch: null });
    },

    remove: (repository, members, discardAfter) => {
      const who = members.map((member) => hexToBytes(member) as Uint8Array);
      for (const idRoot of who) {
        if (repository.access.state().roleOf(idRoot) === ROLES.none) return err(contractError("MemberNotFound"));
        const objected = objection(repository, idRoot);
        if (!objected.ok) return objected;
      }
      const epoch = rotationFor(repository, (recipient) =>
        belongsTo(repository, recipient, who) ? undefined : recipient,
      );
      if (!epoch.ok) return epoch;
      const cuts = cutsOfMembers(repository, who, discardAfter);
      return author(repository, { type: "remove", who, cuts, epoch: epoch.value.body }, epoch.value.secret);
    },

    leave: (repository) => {
      const role = ownRole(repository);
      if (role === ROLES.none) return refuse("You are no member of that notebook any more.");
      if (role === ROLES.owner) return refuse("Hand the notebook over to somebody else before you leave it.");
      if (!repositories.canSpeak(repository)) return err(contractError("KeysMissing"));
      repositories.scheduleSeal(repository, "now", 0);
      return author(repository, { type: "leave", cuts: cutsOfMembers(repository, [profile.idRoot], undefined) });
    },

    transfer: (repository, member) => {
      const idRoot = hexToBytes(member) as Uint8Array;
      if (ownRole(repository) !== ROLES.owner) return refuse("Only the owner can hand a notebook on.");
      if (isSelf(idRoot)) return refuse("You own this notebook already.");
      const role = repository.access.state().roleOf(idRoot);
      if (role === ROLES.none) return err(contractError("MemberNotFound"));
      if (role === ROLES.reader) return refuse("Let them write first: an owner needs the keys of a writer.");
      return author(repository, { type: "transfer", newOwner: idRoot });
    },

    policy: (repository) => readPolicy(repository.access.state().policy),

    setPolicy: (repository, change) => {
      if (ownRole(repository) < ROLES.admin) return refuse("Only admins and the owner can change the rules.");
      const base = repository.access.state().policy;
      const before = readPolicy(base);
      const next = { ...before, ...change };
      if (next.automaticInvites === before.automaticInvites && next.attachmentBytes === before.attachmentBytes)
        return ok(null);
      return author(repository, { type: "policy", policy: encodePolicy(next, base) });
    },

    rotate: (repository) => {
      if (ownRole(repository) < ROLES.writer) return refuse("Only those who may write can change the keys.");
      const epoch = rotationFor(repository, (recipient) => recipient);
      if (!epoch.ok) return epoch;
      return author(repository, { type: "epoch", epoch: epoch.value.body }, epoch.value.secret);
    },
  };
};
