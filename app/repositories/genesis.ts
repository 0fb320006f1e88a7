import type { ContractError } from "../contract/errors.ts";
import type { Profile } from "../identities/profile.ts";
import { storeFailure } from "../identities/identity-service.ts";
import type { Clock } from "../ports/clock.ts";
import type { Store } from "../ports/store.ts";
import { repositoryOf, signAclOp } from "../../protocol/acl/acl-op.ts";
import { DEFAULT_POLICY, encodePolicy } from "../../protocol/acl/policy.ts";
import type { CryptoProvider } from "../../protocol/crypto/provider.ts";
import { deviceRecipient } from "../../protocol/epoch/epoch-body.ts";
import { evaluateIdentity } from "../../protocol/identity/identity-log.ts";
import { bytesToHex } from "../../protocol/kernel/bytes.ts";
import type { RandomSource } from "../../protocol/kernel/random.ts";
import type { Result } from "../../protocol/kernel/result.ts";
import { err, ok } from "../../protocol/kernel/result.ts";
import type { DocumentService } from "./document-service.ts";
import { documentId } from "./document-service.ts";
import { foundEpoch } from "./epochs.ts";
import type { Repository, RepositoryKind } from "./repository.ts";
import { SINGLE_NOTE } from "./access.ts";
import { NOTEBOOK_DOCUMENT } from "./repository.ts";
import type { RepositoryService } from "./repository-service.ts";

const NO_RID = new Uint8Array(16);

interface GenesisDependencies {
  readonly crypto: CryptoProvider;
  readonly random: RandomSource;
  readonly clock: Clock;
  readonly repositories: RepositoryService;
}

export interface FoundingDependencies extends GenesisDependencies {
  readonly store: Pick<Store, "repositories" | "documents">;
  readonly documents: Pick<DocumentService, "create" | "edit">;
}

/** Founds a repository without a document, owned by the profile, for all of its devices. */
export const foundGenesis = (
  { crypto, random, clock, repositories }: GenesisDependencies,
  profile: Profile,
  title: string,
  options: {
    readonly kind?: RepositoryKind;
    /** Is told the repository's id before it is kept. */
    readonly before?: (rid: Uint8Array) => void;
  } = {},
): Result<Repository, ContractError> => {
  const devices = [...evaluateIdentity(profile.idRoot, profile.ops).devices.values()].filter(({ revoked }) => !revoked);
  const recipients = devices.map(({ devSig, devEnc }) => deviceRecipient(devSig, devEnc, true));
  const epoch = foundEpoch({ crypto, random }, NO_RID, [], recipients);
  const genesis = signAclOp(crypto, profile.device, {
    rid: NO_RID,
    parents: [],
    idRoot: profile.idRoot,
    gen: 0,
    ts: Math.floor(clock.unix() / 1000),
    body: {
      type: "genesis",
      nonce: random.bytes(16),
      policy: options.kind === "note" ? [...encodePolicy(DEFAULT_POLICY, []), SINGLE_NOTE] : [],
      identityOps: profile.ops,
      epoch: epoch.body,
    },
  });
  const rid = repositoryOf(crypto, genesis);
  options.before?.(rid);
  const adopted = repositories.adopt({
    rid,
    title,
    aclOps: [{ header: genesis.headerBytes, signature: genesis.sig }],
    secrets: [epoch.secret],
    topicPk: epoch.body.topicPk,
  });
  if (!adopted.ok) return err(storeFailure(adopted.error));
  const part = { type: "aclOp", header: genesis.headerBytes, sig: genesis.sig } as const;
  const written = repositories.append(adopted.value, [part]);
  return written.ok ? adopted : err(storeFailure(written.error));
};

/** Writes the document that describes a repository of this identity, or what a crash left out of it. */
export const describeRepository = async (
  { documents, repositories, store }: FoundingDependencies,
  profile: Profile,
  repository: Repository,
  title: string,
): Promise<Result<Repository, ContractError>> => {
  if (store.repositories.counts(repository.n).entries === 0) {
    const published = repositories.publishOps(repository);
    if (!published.ok) return err(storeFailure(published.error));
  }
  if (store.documents.byId(repository.n, NOTEBOOK_DOCUMENT) === undefined) {
    const created = await documents.create(repository, { type: "notebook", title }, NOTEBOOK_DOCUMENT);
    if (!created.ok) return created;
  }
  const named = await documents.edit(documentId(repository, NOTEBOOK_DOCUMENT), [
    { type: "setName", identity: bytesToHex(profile.idRoot), name: profile.name },
  ]);
  return named.ok ? ok(repository) : named;
};

/** Founds a repository with the document that has its title. */
export const foundRepository = async (
  deps: FoundingDependencies,
  profile: Profile,
  title: string,
  options: Parameters<typeof foundGenesis>[3] = {},
): Promise<Result<Repository, ContractError>> => {
  const founded = foundGenesis(deps, profile, title, options);
  return founded.ok ? describeRepository(deps, profile, founded.value, title) : founded;
};
