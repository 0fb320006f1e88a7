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

/** Makes somebody a member and seals the head epochs to each of their devices; answers the epochs as sealed. */
export const admitMember = (
  {
    crypto,
    random,
    repositories,
  }: { readonly crypto: CryptoProvider; readonly random: RandomSource; readonly repositories: RepositoryService },
  repository: Repository,
  who: { readonly idRoot: Uint8Array; readonly identityOps: readonly VerifiedIdentityOp[] },
  role: 1 | 2,
): Result<readonly SealedEpoch[], ContractError> => {
  const secrets = repositories.headSecrets(repository);
  if (secrets === undefined) return err(contractError("KeysMissing"));
  // Who comes after a change of keys finds the whole membership in the topic it is given.
  const published = repositories.publishOps(repository);
  if (!published.ok) return err(storeFailure(published.error));
  const recipients = [...evaluateIdentity(who.idRoot, who.identityOps).devices.values()]
    .filter(({ revoked }) => !revoked)
    .map(({ devSig, devEnc }) => deviceRecipient(devSig, devEnc, role === 2));
  const heads = repository.access.state().epochHeads.map(({ body }) => body);
  const epochs = secrets.flatMap((secret): readonly SealedEpoch[] => {
    const sealed = sealEpoch(crypto, random, repository.rid, secret, recipients);
    const body = heads.find(({ eid }) => bytesEqual(eid, secret.eid));
    if (!sealed.ok || body === undefined) return [];
    return [{ eid: body.eid, commit: body.commit, topicPk: body.topicPk, seals: sealed.value }];
  });
  const { idRoot, identityOps } = who;
  const seals = epochs.flatMap((epoch) => epoch.seals);
  const appended = repositories.author(repository, {
    type: "set",
    who: idRoot,
    role,
    identityOps,
    seals,
    cuts: null,
    epoch: null,
  });
  return appended.ok ? ok(epochs) : err(storeFailure(appended.error));
};
