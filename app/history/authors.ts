import { readRecordHeader } from "../../protocol/entry/record.ts";
import { bytesEqual, bytesToHex, hexToBytes } from "../../protocol/kernel/bytes.ts";
import type { Profile } from "../identities/profile.ts";
import type { Store } from "../ports/store.ts";
import { memberNames } from "../repositories/document-indexer.ts";
import type { Repository } from "../repositories/repository.ts";

/** Who is behind an Automerge actor. Ids are null while the first entry of the actor's session has not come. */
export interface Author {
  readonly member: string | null;
  readonly device: string | null;
  readonly name: string;
  readonly self: boolean;
}

/** Answers who signed for an actor of a repository: actor = session, session → device → identity, by the signed entries. */
export const createAuthors = (store: Store, profile: Profile) => {
  /** Identity of a device that is no member's any more, by the last entry it wrote in the session. */
  const formerAuthor = (repository: Repository, session: Uint8Array, seq: number): Uint8Array | undefined => {
    const inner = store.entries.innerAt(repository.n, session, seq);
    const header = inner === undefined ? undefined : readRecordHeader(inner.header);
    if (header === undefined || !header.ok) return undefined;
    const right = repository.access.right(header.value.header);
    return right.type === "allowed" ? right.author : undefined;
  };

  return (repository: Repository, actor: string): Author => {
    const session = store.repositories.session(repository.n, hexToBytes(actor) ?? new Uint8Array());
    if (session === undefined) return { member: null, device: null, name: "Somebody", self: false };
    const isOwn = session.own || bytesEqual(profile.device.publicKey, session.device);
    const idRoot = isOwn
      ? profile.idRoot
      : (repository.access.memberOfDevice(session.device)?.idRoot ??
        formerAuthor(repository, session.session, session.lastSeq));
    const device = bytesToHex(session.device);
    if (idRoot === undefined) return { member: null, device, name: "Somebody", self: false };
    const member = bytesToHex(idRoot);
    const self = bytesEqual(profile.idRoot, idRoot);
    const names = memberNames(store, repository);
    const name = self ? profile.name : (names[member] ?? `Member ${member.slice(0, 8)}`);
    const imported = names[actor];
    // Whoever signed is named as well: what an export says of its authors is that person's word.
    if (imported !== undefined)
      return { member: null, device: null, name: `${imported}, imported by ${self ? "you" : name}`, self: false };
    return { member, device, name, self };
  };
};
export type Authors = ReturnType<typeof createAuthors>;
