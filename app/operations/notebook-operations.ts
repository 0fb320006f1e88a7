import type { ContractError } from "../contract/errors.ts";
import type { Handlers } from "../contract/handlers.ts";
import type { AppEvent } from "../contract/types.ts";
import { storeFailure } from "../identities/identity-service.ts";
import type { PeerService } from "../peers/peer-service.ts";
import type { Store } from "../ports/store.ts";
import type { ProxyService } from "../proxies/proxy-service.ts";
import type { DocumentService } from "../repositories/document-service.ts";
import { documentId } from "../repositories/document-service.ts";
import type { Repository } from "../repositories/repository.ts";
import { NOTEBOOK_DOCUMENT } from "../repositories/repository.ts";
import type { RepositoryService } from "../repositories/repository-service.ts";
import { listActivity } from "../sharing/activity.ts";
import type { CopyService } from "../sharing/copy-service.ts";
import type { Copies } from "../sharing/copies.ts";
import type { InviteService } from "../sharing/invite-service.ts";
import type { MemberService } from "../sharing/member-service.ts";
import type { NotebookView } from "../sharing/notebook-view.ts";
import type { Result } from "../../protocol/kernel/result.ts";
import { err, ok } from "../../protocol/kernel/result.ts";
import type { WithNotebook } from "./with-notebook.ts";

const after = <T>(done: Result<null, ContractError>, show: () => T): Result<T, ContractError> =>
  done.ok ? ok(show()) : done;

/** What a person does with notebooks as a whole: making, sharing, members, invites. */
export const createNotebookOperations = (deps: {
  readonly store: Store;
  readonly repositories: RepositoryService;
  readonly documents: DocumentService;
  readonly copies: Copies;
  readonly members: MemberService;
  readonly invites: InviteService;
  readonly peers: PeerService;
  readonly proxies: ProxyService;
  readonly view: NotebookView;
  readonly withNotebook: WithNotebook;
  readonly found: (title: string) => Promise<Result<Repository, ContractError>>;
  /** A notebook was founded here. */
  readonly created: () => void;
  readonly copy: CopyService["copy"];
  /** Deletes a notebook this identity does not belong to any more. */
  readonly forget: (repository: Repository) => Result<null, ContractError>;
  readonly emit: (event: AppEvent) => void;
  /** A bundle may come soon: what reads it can be started. */
  readonly prepareBundles: () => void;
}) => {
  const { store, repositories, documents, copies, members, invites, peers, proxies, view, withNotebook, emit } = deps;
  return {
    "notebooks.create": async ({ title }) => {
      const founded = await deps.found(title);
      if (!founded.ok) return founded;
      deps.created();
      return ok(view.notebook(founded.value));
    },
    "notebooks.list": async () => ok(repositories.all().map(view.notebook)),
    "notebooks.rename": ({ notebook, title }) =>
      withNotebook(notebook, async (repository) => {
        const edited = await documents.edit(documentId(repository, NOTEBOOK_DOCUMENT), [{ type: "setTitle", title }]);
        if (!edited.ok) return edited;
        const written = store.transaction(() => store.repositories.setTitle(repository.n, title));
        if (!written.ok) return err(storeFailure(written.error));
        emit({ type: "notebooksChanged" });
        return ok(view.notebook(repository));
      }),
    "notebooks.members": ({ notebook }) => withNotebook(notebook, (repository) => ok(view.members(repository))),

    "notebooks.copies": ({ notebook }) =>
      withNotebook(notebook, async (repository) =>
        ok(
          await copies.describe(
            repository,
            view.members(repository),
            peers.present(repository),
            proxies.safety(repository),
          ),
        ),
      ),
    "notebooks.copy": ({ notebook, title }) => withNotebook(notebook, (repository) => deps.copy(repository, title)),
    "notebooks.forget": ({ notebook }) => withNotebook(notebook, deps.forget),
    "notebooks.leave": ({ notebook }) =>
      withNotebook(notebook, (repository) => after(members.leave(repository), () => view.notebook(repository))),
    "notebooks.transfer": ({ notebook, member }) =>
      withNotebook(notebook, (repository) =>
        after(members.transfer(repository, member), () => view.notebook(repository)),
      ),
    "notebooks.changeKeys": ({ notebook }) =>
      withNotebook(notebook, (repository) => after(members.rotate(repository), () => view.notebook(repository))),
    "notebooks.policy": ({ notebook }) => withNotebook(notebook, (repository) => ok(members.policy(repository))),
    "notebooks.setPolicy": ({ notebook, automaticInvites, attachmentBytes }) =>
      withNotebook(notebook, (repository) => {
        const change = {
          ...(automaticInvites === undefined ? {} : { automaticInvites }),
          ...(attachmentBytes === undefined ? {} : { attachmentBytes }),
        };
        return after(members.setPolicy(repository, change), () => members.policy(repository));
      }),
    "members.setRole": ({ notebook, member, role }) =>
      withNotebook(notebook, (repository) =>
        after(members.setRole(repository, member, role), () => view.members(repository)),
      ),
    "members.remove": ({ notebook, members: who, discardAfter }) =>
      withNotebook(notebook, (repository) =>
        after(members.remove(repository, who, discardAfter), () => view.members(repository)),
      ),
    "activity.list": ({ notebook, limit, before, member, type }) =>
      withNotebook(notebook, (repository) =>
        ok(listActivity(store, repository, { limit: limit ?? 100, before, member, type })),
      ),

    "invites.create": ({ notebook, mode, role, maxUses, expiresAt }) =>
      withNotebook(notebook, (repository) =>
        invites.create(repository, { mode, role: role ?? "writer", maxUses, expiresAt }),
      ),
    "invites.list": ({ notebook }) => withNotebook(notebook, (repository) => ok(invites.list(repository))),
    "invites.revoke": ({ notebook, id }) => withNotebook(notebook, (repository) => invites.revoke(repository, id)),
    "invites.join": ({ link }) => {
      deps.prepareBundles();
      return invites.join(link);
    },
    "invites.pending": async () => ok(invites.pending()),
    "invites.approve": ({ id }) => invites.approve(id),
    "invites.decline": ({ id }) => invites.decline(id),
  } satisfies Partial<Handlers>;
};
