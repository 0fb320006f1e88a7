import { randomBytes } from "node:crypto";
import { chmodSync, closeSync, existsSync, fsyncSync, mkdirSync, openSync, readFileSync, readdirSync } from "node:fs";
import { renameSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { ListedIdentity } from "../../app/identities/identity-list.ts";
import {
  decodeIdentityList,
  encodeIdentityList,
  FIRST_IDENTITY,
  MAX_IDENTITIES,
  nextColour,
} from "../../app/identities/identity-list.ts";
import type { IdentityFolders } from "../../app/ports/identity-folders.ts";
import type { Log } from "../../app/ports/log.ts";

const LIST = "identities.json";
const PROFILES = "profiles";
/** Behind the name of the folder that takes up the first identity's files, until it has them all. */
const REMOVED = ".removed";
/** Behind the name of a folder that waits for nothing but to be deleted. */
const GONE = ".gone";
const VAULT = "vault.json";
const DATABASE = "profile.db";
/** What the first identity keeps among the install's own files, with the copies set aside of each. */
const OF_FIRST =
  /^(vault\.json|profile\.db|search\.db|blobs(\.|$)|high-water|listen-port$|running$|restoring$|backup-(snapshot|drill))/;

/** Where the files of an identity lie. */
export const identityFolder = (dataDirectory: string, id: string): string =>
  id === FIRST_IDENTITY ? dataDirectory : path.join(dataDirectory, PROFILES, id);

const saveList = (dataDirectory: string, identities: readonly ListedIdentity[]): void => {
  const file = path.join(dataDirectory, LIST);
  const beside = `${file}.tmp`;
  const descriptor = openSync(beside, "w", 0o600);
  try {
    writeFileSync(descriptor, encodeIdentityList(identities));
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
  renameSync(beside, file);
  if (process.platform !== "win32") chmodSync(file, 0o600);
};

const namesIn = (folder: string): readonly string[] => (existsSync(folder) ? readdirSync(folder) : []);

const deleteFolder = (folder: string, log: Log): void => {
  try {
    rmSync(folder, { recursive: true, force: true });
  } catch (cause) {
    // A program that looks at the files may hold them; the next start tries again.
    log.error("folder not deleted", { cause: cause instanceof Error ? cause.message : "unknown" });
  }
};

const profilePath = (dataDirectory: string, id: string, suffix: string): string =>
  path.join(dataDirectory, PROFILES, `${id}.${randomBytes(8).toString("hex")}${suffix}`);

const moveFirst = (dataDirectory: string, into: string): void => {
  // The keys first: without them the rest is noise already, and where they lie says whose the rest is.
  for (const name of namesIn(dataDirectory).toSorted((a, b) => Number(b === VAULT) - Number(a === VAULT)))
    if (OF_FIRST.test(name)) renameSync(path.join(dataDirectory, name), path.join(into, name));
};

/** Takes the identity's files out of the way, whole; they are deleted afterwards, in this run or the next. */
const setAsideErased = (dataDirectory: string, id: string): string => {
  const gone = profilePath(dataDirectory, id, GONE);
  if (id !== FIRST_IDENTITY) {
    renameSync(identityFolder(dataDirectory, id), gone);
    return gone;
  }
  const removed = profilePath(dataDirectory, id, REMOVED);
  mkdirSync(removed, { recursive: true, mode: 0o700 });
  moveFirst(dataDirectory, removed);
  renameSync(removed, gone);
  return gone;
};

/** Goes on where moving the first identity's files was cut off, unless another identity lies in their place by now. */
const finishSettingAside = (dataDirectory: string, removed: string): string => {
  const isTheirs = existsSync(path.join(removed, VAULT)) && !existsSync(path.join(dataDirectory, VAULT));
  if (isTheirs && path.basename(removed).startsWith(FIRST_IDENTITY)) moveFirst(dataDirectory, removed);
  const gone = profilePath(dataDirectory, FIRST_IDENTITY, GONE);
  renameSync(removed, gone);
  return gone;
};

const finishErasing = (dataDirectory: string, log: Log): void => {
  for (const name of namesIn(path.join(dataDirectory, PROFILES))) {
    const folder = path.join(dataDirectory, PROFILES, name);
    if (name.endsWith(GONE)) deleteFolder(folder, log);
    if (!name.endsWith(REMOVED)) continue;
    try {
      deleteFolder(finishSettingAside(dataDirectory, folder), log);
    } catch (cause) {
      log.error("removal not finished", { cause: cause instanceof Error ? cause.message : "unknown" });
    }
  }
};

/** The identities whose keys lie in the data folder, for a list that was lost. */
const foundByKeys = (dataDirectory: string): readonly ListedIdentity[] => {
  const identities: ListedIdentity[] = [];
  const ids = namesIn(path.join(dataDirectory, PROFILES)).filter((name) => /^[0-9a-f]{16}$/.test(name));
  for (const id of [FIRST_IDENTITY, ...ids.toSorted()])
    if (identities.length < MAX_IDENTITIES && existsSync(path.join(identityFolder(dataDirectory, id), VAULT)))
      identities.push({ id, name: "", colour: nextColour(identities) });
  return identities;
};

const readList = (dataDirectory: string, log: Log): readonly ListedIdentity[] => {
  const file = path.join(dataDirectory, LIST);
  if (!existsSync(file)) return foundByKeys(dataDirectory);
  const decoded = decodeIdentityList(readFileSync(file, "utf8"));
  if (decoded.ok) return decoded.value;
  const kept = `${file}.damaged-${new Date().toISOString().replaceAll(":", "-")}`;
  renameSync(file, kept);
  log.error("list of identities damaged", { kept: path.basename(kept) });
  return foundByKeys(dataDirectory);
};

/** The identities of a data folder. Claim the folder first: removals that a crash cut off are finished here. */
export const openIdentityFolders = (dataDirectory: string, log: Log): IdentityFolders => {
  finishErasing(dataDirectory, log);
  const holds = (id: string, name: string): boolean => existsSync(path.join(identityFolder(dataDirectory, id), name));
  const kept = readList(dataDirectory, log).filter(({ id }) => holds(id, VAULT));
  // A place for an identity that never came: nothing in it can be read.
  for (const id of namesIn(path.join(dataDirectory, PROFILES)))
    if (!holds(id, VAULT) && !holds(id, DATABASE)) deleteFolder(identityFolder(dataDirectory, id), log);
  return {
    found: kept.length > 0 ? kept : [{ id: FIRST_IDENTITY, name: "", colour: nextColour([]) }],
    save: (identities) => saveList(dataDirectory, identities),
    erase: async (id, staying) => {
      const erased = setAsideErased(dataDirectory, id);
      saveList(dataDirectory, staying);
      deleteFolder(erased, log);
    },
  };
};
