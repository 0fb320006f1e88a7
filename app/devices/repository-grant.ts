import type { RepositoryGrant } from "../../protocol/pairing/recovery.ts";
import { MAX_GRANTED_OPS_BYTES } from "../../protocol/pairing/recovery.ts";
import { bytesToHex } from "../../protocol/kernel/bytes.ts";
import type { Result } from "../../protocol/kernel/result.ts";
import type { Store, StoreError } from "../ports/store.ts";
import type { Repository } from "../repositories/repository.ts";
import type { RepositoryService } from "../repositories/repository-service.ts";

/** What another own device needs to follow the repository; undefined while this device lacks its newest keys. */
export const grantOf = (store: Store, repository: Repository): RepositoryGrant | undefined => {
  const heads = new Set(repository.access.state().epochHeads.map(({ body }) => bytesToHex(body.eid)));
  const epochs = store.repositories
    .epochs(repository.n)
    .filter(({ eid }) => heads.has(bytesToHex(eid)))
    .map(({ eid, s, w }) => ({ eid, S: s, W: w }));
  if (heads.size === 0 || epochs.length < heads.size || repository.epoch.missing.length > 0) return undefined;
  const ops = store.repositories.aclOps(repository.n).map(({ header, signature }) => [header, signature] as const);
  const size = ops.reduce((sum, [header]) => sum + header.length, 0);
  return {
    rid: repository.rid,
    title: store.repositories.all().find(({ n }) => n === repository.n)?.title ?? "",
    aclOps: size <= MAX_GRANTED_OPS_BYTES ? ops : ops.slice(0, 1),
    epochs,
    topicPk: repository.epoch.topicPk,
  };
};

/** Takes a granted repository into this node. */
export const adoptGrant = (
  repositories: RepositoryService,
  { rid, title, aclOps, epochs, topicPk }: RepositoryGrant,
): Result<Repository, StoreError> =>
  repositories.adopt({
    rid,
    title,
    aclOps: aclOps.map(([header, signature]) => ({ header, signature })),
    secrets: epochs,
    topicPk,
  });
