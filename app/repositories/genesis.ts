import type { ContractError } from "../contract/errors.ts";
import type { Profile } from "../identities/profile.ts";
import { storeFailure } from "../identities/identity-service.ts";
import type { Clock } from "../ports/clock.ts";
import { repositoryOf, signAclOp } from "../../protocol/acl/acl-op.ts";
import type { CryptoProvider } from "../../protocol/crypto/provider.ts";
import { createEpoch, deviceRecipient } from "../../protocol/epoch/epoch-body.ts";
import { invariant } from "../../protocol/kernel/assert.ts";
import { bytesToHex } from "../../protocol/kernel/bytes.ts";
import type { RandomSource } from "../../protocol/kernel/random.ts";
import type { Result } from "../../protocol/kernel/result.ts";
import { err, ok } from "../../protocol/kernel/result.ts";
import type { DocumentService } from "./document-service.ts";
import { documentId } from "./document-service.ts";
import type { Repository } from "./repository.ts";
import { NOTEBOOK_DOCUMENT } from "./repository.ts";
import type { RepositoryService } from "./repository-service.ts";

const NO_RID = new Uint8Array(16);

/** Founds a repository owned by the profile: genesis op with its first epoch, and the document with its title. */
export const foundRepository = async (
  deps: {
    readonly crypto: CryptoProvider;
    readonly random: RandomSource;
    readonly clock: Clock;
    readonly repositories: RepositoryService;
    readonly documents: DocumentService;
  },
  profile: Profile,
  title: string,
): Promise<Result<Repository, ContractError>> => {
  const { crypto, random, clock, repositories, documents } = deps;
  const recipients = [deviceRecipient(profile.device.publicKey, profile.deviceEncryption.publicKey, true)];
  const epoch = createEpoch(crypto, random, NO_RID, [], recipients);
  invariant(epoch.ok, "the own device key is a valid recipient");
  const genesis = signAclOp(crypto, profile.device, {
    rid: NO_RID,
    parents: [],
    idRoot: profile.idRoot,
    gen: 0,
    ts: Math.floor(clock.unix() / 1000),
    body: { type: "genesis", nonce: random.bytes(16), policy: [], identityOps: profile.ops, epoch: epoch.value.body },
  });
  const adopted = repositories.adopt({
    rid: repositoryOf(crypto, genesis),
    title,
    aclOps: [{ header: genesis.headerBytes, signature: genesis.sig }],
    secrets: [epoch.value.secret],
    topicPk: epoch.value.body.topicPk,
  });
  if (!adopted.ok) return err(storeFailure(adopted.error));
  const repository = adopted.value;
  const written = repositories.append(repository, [{ type: "aclOp", header: genesis.headerBytes, sig: genesis.sig }]);
  if (!written.ok) return err(storeFailure(written.error));
  const created = await documents.create(repository, { type: "notebook", title }, NOTEBOOK_DOCUMENT);
  if (!created.ok) return created;
  const named = await documents.edit(documentId(repository, NOTEBOOK_DOCUMENT), [
    { type: "setName", identity: bytesToHex(profile.idRoot), name: profile.name },
  ]);
  return named.ok ? ok(repository) : named;
};
