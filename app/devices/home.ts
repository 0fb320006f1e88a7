import { base64urlToBytes, bytesEqual, bytesToBase64url, bytesToHex } from "../../protocol/kernel/bytes.ts";
import { decodeUtf8, encodeUtf8 } from "../../protocol/codec/utf8.ts";
import type { CryptoProvider } from "../../protocol/crypto/provider.ts";
import type { RandomSource } from "../../protocol/kernel/random.ts";
import { randomBelow } from "../../protocol/kernel/random.ts";
import type { Result } from "../../protocol/kernel/result.ts";
import { err, ok } from "../../protocol/kernel/result.ts";
import { durationMs } from "../../protocol/kernel/time.ts";
import { encodeRepositoryGrant, readRepositoryGrant } from "../../protocol/pairing/recovery.ts";
import type { RepositoryGrant } from "../../protocol/pairing/recovery.ts";
import type { ContractError } from "../contract/errors.ts";
import { contractError } from "../contract/errors.ts";
import type { OwnRecord } from "../identities/identity-service.ts";
import { storeFailure } from "../identities/identity-service.ts";
import type { Profile } from "../identities/profile.ts";
import type { Clock } from "../ports/clock.ts";
import type { NoteEdit } from "../ports/engine.ts";
import type { Log } from "../ports/log.ts";
import type { Store } from "../ports/store.ts";
import { memberNames } from "../repositories/document-indexer.ts";
import type { DocumentService } from "../repositories/document-service.ts";
import { documentId } from "../repositories/document-service.ts";
import { foundGenesis } from "../repositories/genesis.ts";
import type { Repository } from "../repositories/repository.ts";
import { NOTEBOOK_DOCUMENT } from "../repositories/repository.ts";
import type { RepositoryService } from "../repositories/repository-service.ts";
import { adoptGrant, grantOf } from "./repository-grant.ts";

/**
 * The home repository: its members are the own devices, its one document names them and lists the notebooks with what another own
 * device needs to follow them. In the document's map of names, `notebook/<rid>` holds a grant, `device/<key>` a name, `contact/<id>`
 * what is kept of a person and `inbox` the secret of the own inbox.
 */
export interface Home {
  /** Founds the repository where the identity began and it is missing. */
  readonly open: () => void;
  readonly deviceNames: () => Readonly<Record<string, string>>;
  readonly nameDevice: (device: string, name: string) => Promise<Result<null, ContractError>>;
  readonly adopt: (grant: RepositoryGrant) => Result<Repository, ContractError>;
  /** Brings the list up to date soon. */
  readonly refresh: () => void;
  readonly forget: (repository: Repository) => Result<null, ContractError>;
  /** The document was read again: takes in notebooks this device does not have. */
  readonly indexed: () => void;
  readonly stop: () => Promise<void>;
}

const NOTEBOOK = "notebook/";
const DEVICE = "device/";
/** What the list said of a notebook when this device deleted it. */
const FORGOTTEN = "forgotten/";
const TITLE = "Home";
/** The first look comes when a window that opens with the profile has been painted. */
const FIRST_REFRESH = durationMs(1_500);
const REFRESH_MS = 200;
/** Own devices write the same news in turn, so that one of them suffices. */
const SPREAD_MS = 2_000;

export const createHome = (deps: {
  readonly store: Store;
  readonly crypto: CryptoProvider;
  readonly random: RandomSource;
  readonly clock: Clock;
  readonly log: Log;
  readonly repositories: RepositoryService;
  readonly documents: DocumentService;
  readonly profile: Profile;
  readonly record: OwnRecord;
  /** What this device calls itself until a person renames it. */
  readonly ownName: () => string;
  /** Whether the repository knows every device and every revocation this device knows. */
  readonly isPublished: (repository: Repository) => boolean;
  readonly notebooksChanged: () => void;
  /** What else own devices keep together: what the list of entries lacks, and what it says. */
  readonly news: (known: Readonly<Record<string, string>>) => ReadonlyMap<string, string>;
  readonly take: (entries: Readonly<Record<string, string>>) => void;
  readonly changed: () => void;
}): Home => {
  const { store, random, clock, log, repositories, documents, profile, record } = deps;
  /** Written and not yet read back. */
  const written = new Map<string, string>();
  let timer: (() => void) | undefined;
  let working: Promise<unknown> = Promise.resolve();
  let isStopped = false;

  const entries = (home: Repository): Readonly<Record<string, string>> => ({
    ...memberNames(store, home),
    ...Object.fromEntries(written),
  });

  /** The home repository when this device may write it and nobody who was revoked can read it. */
  const writable = (): Repository | undefined => {
    const home = repositories.home();
    return home !== undefined &&
      repositories.membership(home) === "active" &&
      repositories.canWrite(home) &&
      deps.isPublished(home)
      ? home
      : undefined;
  };

  const write = async (
    home: Repository,
    changes: ReadonlyMap<string, string>,
  ): Promise<Result<null, ContractError>> => {
    const id = documentId(home, NOTEBOOK_DOCUMENT);
    if (documents.find(id) === undefined) {
      // Two devices that both made it would make two documents of one id: the founder does, the others wait for it.
      if (!record.isFounder()) return err(contractError("KeysMissing"));
      const created = await documents.create(home, { type: "notebook", title: TITLE }, NOTEBOOK_DOCUMENT);
      if (!created.ok) return created;
    }
    const edits = [...changes].map(([identity, name]): NoteEdit => ({ type: "setName", identity, name }));
    const edited = await documents.edit(id, edits);
    if (!edited.ok) return edited;
    for (const [key, value] of changes) written.set(key, value);
    deps.changed();
    return ok(null);
  };

  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const done = working.then(work, work);
    working = done;
    return done;
  };

  const grantIn = (value: string | undefined): RepositoryGrant | undefined => {
    const encoded = value === undefined ? undefined : base64urlToBytes(value);
    const grant = encoded === undefined ? undefined : readRepositoryGrant(encoded);
    return grant?.ok === true ? grant.value : undefined;
  };

  const keysOf = (grant: RepositoryGrant): string =>
    grant.epochs
      .map(({ eid, W }) => bytesToHex(eid) + (W === null ? "" : "w"))
      .toSorted()
      .join();

  /** What the list lacks: notebooks of this device, newer keys of known ones, and this device's name. */
  const news = (home: Repository): ReadonlyMap<string, string> => {
    const known = entries(home);
    const changes = new Map(deps.news(known));
    for (const repository of repositories.all()) {
      if (repositories.membership(repository) !== "active") continue;
      const grant = grantOf(store, repository);
      const listed = grantIn(known[NOTEBOOK + repository.id]);
      if (grant === undefined || (listed !== undefined && keysOf(listed) === keysOf(grant))) continue;
      changes.set(NOTEBOOK + repository.id, bytesToBase64url(encodeRepositoryGrant(grant)));
    }
    const own = DEVICE + bytesToHex(profile.device.publicKey);
    if (known[own] === undefined) changes.set(own, deps.ownName());
    return changes;
  };

  const refreshNow = async (): Promise<void> => {
    const home = isStopped ? undefined : writable();
    const changes = home === undefined ? undefined : news(home);
    if (home === undefined || changes === undefined || changes.size === 0) return;
    const done = await write(home, changes);
    if (!done.ok && !isStopped) log.info("home list not written", { fault: done.error.type });
  };

  const refreshAfter = (ms: number): void => {
    if (isStopped || repositories.home() === undefined) return;
    timer ??= clock.after(durationMs(ms), () => {
      timer = undefined;
      void inTurn(refreshNow);
    });
  };

  const holds = ({ n }: Repository, eid: Uint8Array): boolean =>
    store.repositories.epochs(n).some((epoch) => bytesEqual(epoch.eid, eid));

  /** Whether this device deleted the notebook, and the list has said nothing new of it since. */
  const isForgotten = (id: string, listed: string): boolean => {
    const noted = store.meta.get(FORGOTTEN + id);
    return noted !== undefined && decodeUtf8(noted) === listed;
  };

  const hasOthers = (): boolean => (repositories.home()?.access.members()[0]?.devices.length ?? 0) > 1;

  return {
    open: () => {
      if (repositories.home() === undefined && record.isFounder()) {
        const founded = foundGenesis(deps, profile, TITLE, {
          before: (rid) => {
            const noted = repositories.setHome(rid);
            if (!noted.ok) log.error("home not noted", { fault: noted.error.type });
          },
        });
        if (!founded.ok) log.error("home not founded", { fault: founded.error.type });
      }
      refreshAfter(FIRST_REFRESH);
    },
    deviceNames: () => {
      const home = repositories.home();
      if (home === undefined) return {};
      return Object.fromEntries(
        Object.entries(entries(home))
          .filter(([key]) => key.startsWith(DEVICE))
          .map(([key, name]) => [key.slice(DEVICE.length), name]),
      );
    },
    nameDevice: (device, name) =>
      inTurn(async () => {
        const home = writable();
        return home === undefined ? err(contractError("KeysMissing")) : write(home, new Map([[DEVICE + device, name]]));
      }),
    adopt: (grant) => {
      const noted = repositories.setHome(grant.rid);
      const adopted = noted.ok ? adoptGrant(repositories, grant) : noted;
      return adopted.ok ? adopted : err(storeFailure(adopted.error));
    },
    forget: ({ id }) => {
      const home = repositories.home();
      const listed = home === undefined ? undefined : entries(home)[NOTEBOOK + id];
      const noted = store.transaction(() => store.meta.set(FORGOTTEN + id, encodeUtf8(listed ?? "")));
      return noted.ok ? ok(null) : err(storeFailure(noted.error));
    },
    refresh: () => refreshAfter(REFRESH_MS + (hasOthers() ? randomBelow(random, SPREAD_MS) : 0)),
    indexed: () => {
      const home = repositories.home();
      if (home === undefined) return;
      const stored = memberNames(store, home);
      for (const key of written.keys()) if (stored[key] !== undefined) written.delete(key);
      deps.take(stored);
      let adoptedAny = false;
      for (const [key, value] of Object.entries(stored)) {
        if (!key.startsWith(NOTEBOOK)) continue;
        const known = repositories.byId(key.slice(NOTEBOOK.length));
        if (known !== undefined && repositories.membership(known) === "active") continue;
        if (isForgotten(key.slice(NOTEBOOK.length), value)) continue;
        const grant = grantIn(value);
        if (grant === undefined || bytesToHex(grant.rid) !== key.slice(NOTEBOOK.length)) continue;
        // Out of a notebook that another own device is in again: its newest keys say so.
        if (known !== undefined && grant.epochs.every(({ eid }) => holds(known, eid))) continue;
        const adopted = adoptGrant(repositories, grant);
        if (adopted.ok) adoptedAny = true;
        else log.error("notebook not taken in", { fault: adopted.error.type });
      }
      if (adoptedAny) deps.notebooksChanged();
      deps.changed();
      refreshAfter(REFRESH_MS + (hasOthers() ? randomBelow(random, SPREAD_MS) : 0));
    },
    stop: async () => {
      isStopped = true;
      timer?.();
      await working;
    },
  };
};
