import type { ContractError } from "../contract/errors.ts";
import { contractError } from "../contract/errors.ts";
import type { Repository } from "../repositories/repository.ts";
import type { RepositoryService } from "../repositories/repository-service.ts";
import type { Result } from "../../protocol/kernel/result.ts";
import { err } from "../../protocol/kernel/result.ts";

/** Does `work` with the notebook a person named; the repository that holds their own devices is none. */
export type WithNotebook = <T>(
  id: string,
  work: (repository: Repository) => Promise<Result<T, ContractError>> | Result<T, ContractError>,
) => Promise<Result<T, ContractError>>;

export const createWithNotebook =
  (repositories: RepositoryService, isHome: (repository: Repository) => boolean): WithNotebook =>
  async (id, work) => {
    const repository = repositories.byId(id);
    return repository === undefined || isHome(repository) ? err(contractError("NotebookNotFound")) : work(repository);
  };
