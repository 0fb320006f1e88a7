import type { ContractHost } from "../../app/contract/handlers.ts";
import { bindIdentity } from "../../app/contract/handlers.ts";
import type { InstalledIdentity } from "../../app/contract/types.ts";

/** Calls `attach` with the contract of each identity of the install, now and later, and what it returned when that one goes. */
export const followIdentities = (
  contract: ContractHost,
  attach: (identity: ContractHost, id: string) => () => void,
): void => {
  const detachById = new Map<string, () => void>();
  contract.subscribe("identities.watch", undefined, (message) => {
    if (!message.ok) return;
    const ids = (message.value as readonly InstalledIdentity[]).map(({ id }) => id);
    for (const [id, detach] of detachById)
      if (!ids.includes(id)) {
        detachById.delete(id);
        detach();
      }
    for (const id of ids) if (!detachById.has(id)) detachById.set(id, attach(bindIdentity(contract, id), id));
  });
};
