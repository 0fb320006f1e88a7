import type { ContactService } from "../contacts/contact-service.ts";
import type { Member, Notebook } from "../contract/types.ts";
import type { Profile } from "../identities/profile.ts";
import type { PeerService } from "../peers/peer-service.ts";
import type { DocumentRow, Store } from "../ports/store.ts";
import { memberNames } from "../repositories/document-indexer.ts";
import { documentId } from "../repositories/document-service.ts";
import type { Repository } from "../repositories/repository.ts";
import type { RepositoryService } from "../repositories/repository-service.ts";
import { bytesEqual, bytesToHex } from "../../protocol/kernel/bytes.ts";
import type { Copies } from "./copies.ts";

/** A notebook and its people as a person sees them. */
export interface NotebookView {
  readonly notebook: (repository: Repository) => Notebook;
  readonly members: (repository: Repository) => readonly Member[];
}

/** The one note of a repository that was founded for it. */
const singleNote = (store: Store, { n }: Repository): DocumentRow | undefined =>
  store.documents.page(n, { folder: "", deleted: false, order: "created" }, 0, 1)[0];

export const createNotebookView = (deps: {
  readonly store: Store;
  readonly profile: Profile;
  readonly repositories: RepositoryService;
  readonly peers: Pick<PeerService, "present">;
  readonly copies: Copies;
  readonly contacts: Pick<ContactService, "nameOf" | "standing">;
}): NotebookView => {
  const { store, profile, repositories, peers, copies, contacts } = deps;
  return {
    notebook: (repository: Repository): Notebook => {
      const row = store.repositories.all().find(({ n }) => n === repository.n);
      const members = repository.access.members();
      const own = members.find(({ idRoot }) => bytesEqual(idRoot, profile.idRoot));
      const kind = repository.access.kind();
      const note = kind === "note" ? singleNote(store, repository) : undefined;
      return {
        id: repository.id,
        kind,
        note: note === undefined ? null : documentId(repository, note.did),
        title: (note?.title ?? "") === "" ? (row?.title ?? "") : (note?.title ?? ""),
        role: own?.role ?? (repository.epoch.topicKey === null ? "reader" : "writer"),
        membership: repositories.membership(repository),
        documentCount: store.repositories.counts(repository.n).documents,
        memberCount: members.length,
        updatedAt: row?.updatedAt ?? 0,
      };
    },

    members: (repository: Repository): readonly Member[] => {
      const names = memberNames(store, repository);
      const online = peers.present(repository);
      return repository.access.members().map(({ idRoot, role, devices }) => {
        const id = bytesToHex(idRoot);
        const own = bytesEqual(profile.idRoot, idRoot);
        return {
          id,
          name: own ? profile.name : (contacts.nameOf(idRoot) ?? names[id] ?? `Member ${id.slice(0, 8)}`),
          standing: own ? null : contacts.standing(idRoot, names[id] ?? ""),
          role,
          self: own,
          online: own || online.some((member) => bytesEqual(member.idRoot, idRoot)),
          seenAt: devices.reduce<number | null>((latest, device) => {
            const at = copies.seenAt(repository, device);
            return at === null || (latest !== null && latest > at) ? latest : at;
          }, null),
        };
      });
    },
  };
};
