import type { ContractError } from "../contract/errors.ts";
import { contractError } from "../contract/errors.ts";
import type { Contribution, HistoryPage, NamedVersion, NoteDiff, PastNote, Restored } from "../contract/types.ts";
import { storeFailure } from "../identities/identity-service.ts";
import type { Clock } from "../ports/clock.ts";
import type { HistoryAnswer, HistoryAnswers, HistoryError, HistoryReader } from "../ports/history-reader.ts";
import type { DocumentRow, Store } from "../ports/store.ts";
import { bytesToHex, hexToBytes } from "../../protocol/kernel/bytes.ts";
import type { Result } from "../../protocol/kernel/result.ts";
import { err, ok } from "../../protocol/kernel/result.ts";
import type { DocumentService } from "../repositories/document-service.ts";
import { documentId, headsOf } from "../repositories/document-service.ts";
import type { Repository } from "../repositories/repository.ts";
import { NOTEBOOK_DOCUMENT } from "../repositories/repository.ts";
import type { Authors } from "./authors.ts";
import type { StoredVersion } from "./named-versions.ts";
import { storedVersions, storeVersions, versionKey, versionValue } from "./named-versions.ts";
import type { ActorWork } from "./timeline.ts";

type Answer<T> = Promise<Result<T, ContractError>>;
type Heads = readonly string[];

export interface HistoryService {
  readonly list: (id: string, before: number | null, limit: number) => Answer<HistoryPage>;
  readonly read: (id: string, heads: Heads) => Answer<PastNote>;
  readonly diff: (id: string, from: Heads, to: Heads) => Answer<NoteDiff>;
  /**
   * Makes the note what it was at `heads`, as a new change on the state `base` (default: the present one). What others
   * wrote beside `base` stays: taking a restore back passes the state it left as `base`.
   */
  readonly restore: (id: string, heads: Heads, base: Heads | undefined) => Answer<Restored>;
  readonly versions: (id: string) => Answer<readonly NamedVersion[]>;
  readonly name: (id: string, name: string, heads: Heads | undefined) => Answer<NamedVersion>;
  readonly unname: (id: string, heads: Heads) => Answer<null>;
}

const failure = (error: HistoryError): ContractError =>
  contractError(error.type === "UnknownHeads" ? "VersionNotFound" : "EngineFailed");

const sameHeads = (a: Heads, b: Heads): boolean => a.length === b.length && a.every((hash) => b.includes(hash));

/** The past of notes as the contract offers it. */
export const createHistoryService = (deps: {
  readonly store: Store;
  readonly clock: Clock;
  readonly reader: HistoryReader;
  readonly documents: DocumentService;
  readonly authorOf: Authors;
}): HistoryService => {
  const { store, clock, reader, documents, authorOf } = deps;

  const withDocument = async <T>(
    id: string,
    work: (repository: Repository, row: DocumentRow) => Answer<T>,
  ): Answer<T> => {
    const found = documents.find(id);
    return found === undefined ? err(contractError("DocumentNotFound")) : work(found.repository, found.row);
  };

  const answered = <T extends keyof HistoryAnswers>(
    answer: HistoryAnswer<T>,
  ): Result<HistoryAnswers[T], ContractError> => (answer.ok ? answer : err(failure(answer.error)));

  /** One line a person and device, however many sessions of writing it had. */
  const contributions = (repository: Repository, work: readonly ActorWork[]): readonly Contribution[] => {
    const byDevice = new Map<string, Contribution>();
    for (const { actor, changes, inserted, removed } of work) {
      const { member, device, name, self } = authorOf(repository, actor);
      const key = device ?? name;
      const before = byDevice.get(key);
      byDevice.set(key, {
        member,
        name,
        self,
        device,
        changes: changes + (before?.changes ?? 0),
        added: inserted + (before?.added ?? 0),
        removed: removed + (before?.removed ?? 0),
      });
    }
    return [...byDevice.values()].toSorted((a, b) => b.added + b.removed - a.added - a.removed);
  };

  const storedOf = (repository: Repository, row: DocumentRow): readonly StoredVersion[] => {
    const document = bytesToHex(row.did);
    return storedVersions(store, repository.id).filter((version) => version.document === document);
  };
  const named = (repository: Repository, { heads, name, at, actor }: StoredVersion): NamedVersion => ({
    heads,
    name,
    at,
    by: authorOf(repository, actor).name,
  });

  /** Writes a name, or null to take it away, and what lists know of it. */
  const setVersion = async (
    repository: Repository,
    row: DocumentRow,
    heads: Heads,
    name: string | null,
  ): Answer<StoredVersion> => {
    const document = bytesToHex(row.did);
    const key = versionKey(document, heads);
    const at = clock.unix();
    const actor = bytesToHex(store.repositories.ownSessions(repository.n)[0]?.session ?? new Uint8Array());
    const notebook = documentId(repository, NOTEBOOK_DOCUMENT);
    const value = name === null ? null : versionValue(name, at);
    const edited = await documents.edit(notebook, [{ type: "setVersion", key, value }]);
    if (!edited.ok) return edited;
    const version = { document, heads: heads.toSorted(), name: name ?? "", at, actor };
    const written = store.transaction(() => {
      const others = storedVersions(store, repository.id).filter(
        (other) => other.document !== document || !sameHeads(other.heads, heads),
      );
      storeVersions(store, repository.id, name === null ? others : [...others, version]);
    });
    return written.ok ? ok(version) : err(storeFailure(written.error));
  };

  const isKnown = (row: DocumentRow, heads: Heads): boolean =>
    heads.length > 0 &&
    heads.every((hash) => store.documents.maxOps(row.n)(hexToBytes(hash) ?? new Uint8Array()) !== undefined);

  return {
    list: (id, before, limit) =>
      withDocument(id, async (repository, row) => {
        const versions = storedOf(repository, row);
        const marked = versions.map(({ heads }) => heads);
        const page = answered(
          await reader.ask({ type: "timeline", document: row.n, before, limit, marked, now: clock.unix() }),
        );
        if (!page.ok) return page;
        const { sessions, changes } = page.value;
        const last = sessions.at(-1);
        return ok({
          sessions: sessions.map(({ end, from, to, before: earlier, heads, work }) => ({
            position: end,
            from,
            to,
            before: earlier,
            heads,
            people: contributions(repository, work),
            versions: versions
              .filter((_, index) => page.value.marked[index] === end)
              .map((version) => named(repository, version)),
          })),
          changes,
          next: last === undefined || last.before.length === 0 ? null : last.end - changesIn(last.work),
        });
      }),
    read: (id, heads) =>
      withDocument(id, async (_repository, row) => {
        const content = answered(await reader.ask({ type: "read", document: row.n, heads, now: clock.unix() }));
        return content.ok ? ok({ heads, ...content.value }) : content;
      }),
    diff: (id, from, to) =>
      withDocument(id, async (_repository, row) =>
        answered(await reader.ask({ type: "diff", document: row.n, from, to, now: clock.unix() })),
      ),
    restore: (id, heads, base) =>
      withDocument(id, async (_repository, row) => {
        const present = headsOf(row);
        const written = await documents.write(id, async (session) => {
          const actor = bytesToHex(session.session);
          const restored = answered(
            await reader.ask({
              type: "restore",
              document: row.n,
              heads,
              base: base ?? present,
              actor,
              now: clock.unix(),
            }),
          );
          return restored.ok ? ok(restored.value.changes) : restored;
        });
        return written.ok ? ok({ before: base ?? present, heads: written.value.heads }) : written;
      }),
    versions: (id) =>
      withDocument(id, async (repository, row) =>
        ok(
          storedOf(repository, row)
            .map((version) => named(repository, version))
            .toSorted((a, b) => b.at - a.at),
        ),
      ),
    name: (id, name, heads) =>
      withDocument(id, async (repository, row) => {
        const state = heads ?? headsOf(row);
        if (!isKnown(row, state)) return err(contractError("VersionNotFound"));
        const version = await setVersion(repository, row, state, name);
        return version.ok ? ok(named(repository, version.value)) : version;
      }),
    unname: (id, heads) =>
      withDocument(id, async (repository, row) => {
        if (!storedOf(repository, row).some((version) => sameHeads(version.heads, heads)))
          return err(contractError("VersionNotFound"));
        const version = await setVersion(repository, row, heads, null);
        return version.ok ? ok(null) : version;
      }),
  };
};

const changesIn = (work: readonly ActorWork[]): number => work.reduce((sum, { changes }) => sum + changes, 0);
