import Database from "better-sqlite3";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { InboxService } from "../../app/contacts/inbox-service.ts";
import { createInboxService } from "../../app/contacts/inbox-service.ts";
import type { Store } from "../../app/ports/store.ts";
import { MIGRATIONS } from "../../main/adapters/sqlite/schema.ts";
import { createStore } from "../../main/adapters/sqlite/store.ts";
import { repositoryId } from "../../protocol/entry/record.ts";
import { deriveInboxKeys, deriveInboxTopic } from "../../protocol/identity/contact-card.ts";
import type { VerifiedIdentityOp } from "../../protocol/identity/identity-op.ts";
import { signIdentityOp } from "../../protocol/identity/identity-op.ts";
import { sealLetter } from "../../protocol/invite/letter.ts";
import { bytesEqual, bytesToHex } from "../../protocol/kernel/bytes.ts";
import { person } from "../support/acl-world.ts";
import { filled, must, native } from "../support/data-fixtures.ts";
import { createSeededRandom } from "../support/seeded-random.ts";

const DAY = 24 * 3_600_000;
const random = createSeededRandom("inbox");
const ben = person("Ben");
const keys = deriveInboxKeys(native, filled(1, 32));
const inboxTopic = deriveInboxTopic(native, keys.seed);
const card = {
  idRoot: ben.id,
  identityOps: ben.log,
  inboxSeed: keys.seed,
  inboxEnc: keys.encryption.publicKey,
  proxyHints: [],
};
const genesisOf = (notebook: number) => ({ header: filled(notebook, 400), sig: filled(3, 64) });
const ridOf = (notebook: number): Uint8Array => repositoryId(native, genesisOf(notebook).header);

let database: Database.Database;
let store: Store;
let topic: number;
let now = 0;
const blocked = new Set<string>();
const memberOf = new Set<string>();
let heard: readonly VerifiedIdentityOp[] = [];

const start = (): InboxService => {
  const { id, device, log } = ben;
  const inbox = createInboxService({
    store,
    crypto: native,
    random,
    clock: { unix: () => now },
    log: { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined },
    repositories: {
      topicByPk: (pk: Uint8Array) => store.topics.all().find((one) => bytesEqual(one.pk, pk)),
      refreshTopics: () => undefined,
      all: () => [],
      byId: (rid: string) => (memberOf.has(rid) ? { id: rid } : undefined),
      membership: () => "active",
    },
    profile: { idRoot: id, device, name: "Ben", ops: log },
    contacts: {
      inbox: () => keys,
      nameOf: () => undefined,
      standing: (idRoot: Uint8Array) => (blocked.has(bytesToHex(idRoot)) ? "blocked" : "new"),
      heardOf: () => heard,
    },
    changed: () => undefined,
  } as unknown as Parameters<typeof createInboxService>[0]);
  inbox.open();
  return inbox;
};

const leave = (from: string, notebook: number, arrivedAt = now): void => {
  const { id, device, log } = person(from);
  const item = sealLetter(
    native,
    random,
    device,
    { idRoot: id, devSig: device.publicKey, identityOps: log, name: from },
    card,
    {
      rid: ridOf(notebook),
      genesis: genesisOf(notebook),
      epochs: [{ eid: filled(4, 16), commit: filled(5, 32), topicPk: filled(6, 32), seals: [] }],
      topicPk: filled(7, 32),
      role: 1,
      title: `${notebook}`,
      proxies: [],
      addresses: [],
    },
  );
  if (item === undefined) throw new Error("the letter is sealed");
  const { oid, kind, gen, wire } = item;
  must(
    store.transaction(() =>
      store.entries.add({ oid, topic, kind, gen, wire, iid: null, state: 0, own: false, arrivedAt }),
    ),
  );
};
const listed = async (inbox: InboxService) =>
  must(await inbox.handlers["invitations.list"](undefined)).map(({ from, title, at, id }) => ({
    from: from.name,
    title,
    at,
    id,
  }));

beforeEach(() => {
  database = new Database(":memory:");
  for (const migration of MIGRATIONS) database.exec(migration);
  store = createStore(database, () => undefined);
  now = 100 * DAY;
  blocked.clear();
  memberOf.clear();
  heard = [];
  start();
  topic = store.topics.all().find(({ pk }) => bytesEqual(pk, inboxTopic.topicKey.publicKey))?.n as number;
});
afterEach(() => database.close());

describe("the inbox", () => {
  test("a letter is as old as its arrival, over restarts, and ends after thirty days", async () => {
    leave("Ada", 1, now - 20 * DAY);
    expect(await listed(start())).toMatchObject([{ from: "Ada", title: "1", at: now - 20 * DAY }]);
    now += 10 * DAY;
    expect(await listed(start())).toEqual([]);
  });

  test("one person takes few places, and letters of the blocked, of members and of the past take none", async () => {
    for (let notebook = 1; notebook <= 12; notebook++) leave("Eve", notebook);
    leave("Mallory", 20);
    blocked.add(bytesToHex(person("Mallory").id));
    leave("Ada", 30);
    leave("Ada", 31);
    memberOf.add(bytesToHex(ridOf(30)));
    const seen = await listed(start());
    expect(seen.filter(({ from }) => from === "Eve").length).toBe(8);
    expect(seen.filter(({ from }) => from !== "Eve")).toMatchObject([{ from: "Ada", title: "31" }]);
  });

  test("of several letters about a notebook the last one counts, and its answer answers them all", async () => {
    for (const days of [3, 1, 2]) leave("Ada", 1, now - days * DAY);
    const inbox = start();
    const [letter, ...others] = await listed(inbox);
    expect(others).toEqual([]);
    expect(letter?.at).toBe(now - DAY);
    must(await inbox.handlers["invitations.decline"]({ id: letter?.id ?? "" }));
    expect(await listed(inbox)).toEqual([]);
    expect(await listed(start())).toEqual([]);
    leave("Ada", 1);
    expect((await listed(start())).length).toBe(1);
  });

  test("IDC-3 a letter by a device is gone as soon as its revocation was heard of", async () => {
    leave("Ada", 1);
    const inbox = start();
    const [letter] = await listed(inbox);
    const ada = person("Ada");
    heard = [
      signIdentityOp(native, ada.root, {
        idRoot: ada.id,
        parents: ada.log.map(({ id }) => id),
        gen: 1,
        ts: 0,
        body: { type: "revokeDevice", devSig: ada.device.publicKey },
      }),
    ];
    expect(await listed(inbox)).toEqual([]);
    expect(await inbox.handlers["invitations.accept"]({ id: letter?.id ?? "" })).toMatchObject({
      ok: false,
      error: { type: "InviteNotFound" },
    });
    expect(await listed(start())).toEqual([]);
  });
});
