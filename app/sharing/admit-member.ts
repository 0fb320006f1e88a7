import { deviceRecipient, sealEpoch } from "../../protocol/epoch/epoch-body.ts";
import type { SealedEpoch } from "../../protocol/invite/letter.ts";
import type { CryptoProvider } from "../../protocol/crypto/provider.ts";
import { evaluateIdentity } from "../../protocol/identity/identity-log.ts";
import type { VerifiedIdentityOp } from "../../protocol/identity/identity-op.ts";
import { bytesEqual } from "../../protocol/kernel/bytes.ts";
import type { RandomSource } from "../../protocol/kernel/random.ts";
import type { Result } from "../../protocol/kernel/result.ts";
import { err, ok } from "../../protocol/kernel/result.ts";
import type { ContractError } from "../contract/errors.ts";
import { contractError } from "../contract/errors.ts";
import { storeFailure } from "../identities/identity-service.ts";
import type { Repository } from "../repositories/repository.ts";
import type { RepositoryService } from "../repositories/repository-service.ts";

interface AdmitDependencies {
  readonly crypto: CryptoProvider;
  readonly random: RandomSource;
  readonly repositories: Pick<RepositoryService, "headSecrets" | "publishOps" | "author">;
}

interface Newcomer {
  readonly idRoot: Uint8Array;
  readonly identityOps: readonly VerifiedIdentityOp[];
}

/** The head epochs sealed to each device of somebody; nothing is written. */
export const sealHeads = (
  {
    crypto,
    random,
    repositories,
  }: Pick<AdmitDependencies, "crypto" | "random"> & {
    readonly repositories: Pick<RepositoryService, "headSecrets">;
  },
  repository: Repository,
  who: Newcomer,
  role: 1 | 2,
): Result<readonly SealedEpoch[], ContractError> => {
  const secrets = repositories.headSecrets(repository);
  if (secrets === undefined) return err(contractError("KeysMissing"));
  const recipients = [...evaluateIdentity(who.idRoot, who.identityOps).devices.values()]
    .filter(({ revoked }) => !revoked)
    .map(({ devSig, devEnc }) => deviceRecipient(devSig, devEnc, role === 2));
  const heads = repository.access.state().epochHeads.map(({ body }) => body);
  const epochs: SealedEpoch[] = [];
  for (const secret of secrets) {
    const body = heads.find(({ eid }) => bytesEqual(eid, secret.eid));
    if (body === undefined) return err(contractError("KeysMissing"));
    const seals = recipients.flatMap((recipient) => {
      const sealed = sealEpoch(crypto, random, repository.rid, secret, [recipient]);
      if (sealed.ok) return sealed.value;
      // A device whose key nothing can be sealed to (its owner's fault) gets a seal that nobody opens, as in a new epoch.
      const nobody = { ...recipient, encryptionKey: crypto.dhKeyPair(random.bytes(32)).publicKey };
      const blank = sealEpoch(crypto, random, repository.rid, secret, [nobody]);
      return blank.ok ? blank.value : [];
    });
    epochs.push({ eid: body.eid, commit: body.commit, topicPk: body.topicPk, seals });
  }
  return ok(epochs);
};

/** Makes somebody a member to whose devices the head epochs were sealed. */
export const admitSealed = (
  { repositories }: Pick<AdmitDependencies, "repositories">,
  repository: Repository,
  { idRoot, identityOps }: Newcomer,
  role: 1 | 2,
  epochs: readonly SealedEpoch[],
): Result<null, ContractError> => {
  // Who comes after a change of keys finds the whole membership in the topic it is given.
  const published = repositories.publishOps(repository);
  if (!published.ok) return err(storeFailure(published.error));
  const seals = epochs.flatMap((epoch) => epoch.seals);
  const body = { type: "set", who: idRoot, role, identityOps, seals, cuts: null, epoch: null } as const;
  const appended = repositories.author(repository, body);
  return appended.ok ? ok(null) : err(storeFailure(appended.error));
};

/** Makes somebody a member and seals the head epochs to each of their devices. */
export const admitMember = (
  deps: AdmitDependencies,
  repository: Repository,
  who: Newcomer,
  role: 1 | 2,
): Result<null, ContractError> => {
  const epochs = sealHeads(deps, repository, who, role);
  return epochs.ok ? admitSealed(deps, repository, who, role, epochs.value) : epochs;
};
