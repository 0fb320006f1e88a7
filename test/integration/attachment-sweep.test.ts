import { existsSync, utimesSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { sweepAttachments, UNREFERENCED_DAYS } from "../../app/attachments/sweep.ts";
import type { Store } from "../../app/ports/store.ts";
import { dropLoss, storeLoss } from "../../app/repositories/lost-changes.ts";
import { createBlobFolder } from "../../main/adapters/blob-folder.ts";
import { createChangeInspector } from "../../main/adapters/inspect-change.ts";
import { openWriter } from "../../main/adapters/sqlite/database.ts";
import { MIGRATIONS } from "../../main/adapters/sqlite/schema.ts";
import { createStore } from "../../main/adapters/sqlite/store.ts";
import { bytesToHex } from "../../protocol/kernel/bytes.ts";
import { randomBelow } from "../../protocol/kernel/random.ts";
import { monotonicMs, unixMs } from "../../protocol/kernel/time.ts";
import { must, native } from "../support/data-fixtures.ts";
import { removeFolder, temporaryFolder } from "../support/headless-node.ts";
import { createSeededRandom } from "../support/seeded-random.ts";

const DAY_MS = 86_400_000;
const NOW = 1_800_000_000_000;
const clock = { monotonic: () => monotonicMs(0), unix: () => unixMs(NOW), after: () => () => undefined };

const SILENT = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };

let folder: string;
let store: Store;
let close: () => void;
beforeEach(() => {
  folder = temporaryFolder("sweep");
  const database = must(openWriter(path.join(folder, "profile.db"), new Uint8Array(32).fill(7), MIGRATIONS, false));
  store = createStore(database, () => undefined);
  close = () => database.close();
});
afterEach(() => {
  close();
  removeFolder(folder);
});

const chunkFile = (repository: number, id: Uint8Array): string =>
  path.join(folder, "blobs", String(repository), bytesToHex(id).slice(0, 2), bytesToHex(id));
const age = (file: string): void => utimesSync(file, (NOW - DAY_MS) / 1_000, (NOW - DAY_MS) / 1_000);

test("I51 a sweep never removes what a document refers to, did within 90 days, shows in a named version, or shares with such a file", async () => {
  const seed = process.env["SWEEP_SEED"] ?? "sweep-1";
  const random = createSeededRandom(seed);
  const blobs = createBlobFolder(path.join(folder, "blobs"));
  const repository = must(store.transaction(() => store.repositories.add(random.bytes(16), "Notes", NOW)));
  const documents = must(
    store.transaction(() => Array.from({ length: 5 }, () => store.documents.add(repository, random.bytes(16), NOW))),
  );
  const pool = Array.from({ length: 40 }, () => random.bytes(32));
  const named = new Set<string>();
  const files: { n: number; chunks: Uint8Array[]; kept: boolean }[] = [];
  for (let count = 0; count < 60; count++) {
    const chunks = Array.from(
      { length: 1 + randomBelow(random, 4) },
      () => pool[randomBelow(random, 40)] as Uint8Array,
    );
    const daysAgo = randomBelow(random, 2 * UNREFERENCED_DAYS);
    const root = random.bytes(32);
    const isNamed = randomBelow(random, 8) === 0;
    if (isNamed) named.add(bytesToHex(root));
    const n = must(
      store.transaction(() => {
        const begun = store.blobs.begin(repository, { size: 1, mime: "a/b", name: "x" }, NOW - daysAgo * DAY_MS - 1);
        store.blobs.addChunks(
          begun,
          chunks.map((id, position) => ({ position, id, key: random.bytes(32), bytes: 10, present: true })),
        );
        return store.blobs.finish(begun, root, random.bytes(32), random.bytes(32));
      }),
    );
    for (const id of chunks) must(await blobs.put(repository, id, random.bytes(10)));
    files.push({ n, chunks, kept: isNamed || daysAgo < UNREFERENCED_DAYS });
  }
  // Documents refer to some, and some of those were let go today.
  for (const document of documents) {
    const chosen = files.filter(() => randomBelow(random, 6) === 0);
    must(
      store.transaction(() =>
        store.blobs.setReferences(
          document,
          chosen.map(({ n }) => n),
          NOW,
        ),
      ),
    );
    const left = chosen.filter(() => randomBelow(random, 2) === 0);
    must(
      store.transaction(() =>
        store.blobs.setReferences(
          document,
          left.map(({ n }) => n),
          NOW,
        ),
      ),
    );
    for (const file of chosen) file.kept = true;
  }
  const orphan = random.bytes(32);
  const young = random.bytes(32);
  for (const id of [orphan, young]) must(await blobs.put(repository, id, random.bytes(10)));
  for (const id of [...pool, orphan]) if (existsSync(chunkFile(repository, id))) age(chunkFile(repository, id));
  utimesSync(chunkFile(repository, young), NOW / 1_000, NOW / 1_000);

  const deps = { store, clock, log: SILENT, isStopped: () => false, named: async () => named };
  const stuck = { ...blobs, remove: () => Promise.reject(new Error("EBUSY")) };
  expect(must(await sweepAttachments({ ...deps, blobs: stuck })).chunks, `seed ${seed}`).toBe(0);
  must(await sweepAttachments({ ...deps, blobs }));

  const needed = new Set(files.filter(({ kept }) => kept).flatMap(({ chunks }) => chunks.map(bytesToHex)));
  expect(needed.size, `seed ${seed}`).toBeGreaterThan(5);
  for (const id of pool) expect(existsSync(chunkFile(repository, id)), `seed ${seed}`).toBe(needed.has(bytesToHex(id)));
  for (const { n, kept } of files) expect(store.blobs.byNumber(n) !== undefined, `seed ${seed}`).toBe(kept);
  expect(existsSync(chunkFile(repository, orphan))).toBe(false);
  expect(existsSync(chunkFile(repository, young))).toBe(true);
});

test("files stay while a note of the notebook has a recovered copy, which may refer to them", async () => {
  const blobs = createBlobFolder(path.join(folder, "blobs"));
  const add = (rid: number) =>
    must(
      store.transaction(() => {
        const repository = store.repositories.add(new Uint8Array(16).fill(rid), "Notes", NOW);
        const begun = store.blobs.begin(repository, { size: 1, mime: "a/b", name: "x" }, NOW - 100 * DAY_MS);
        const n = store.blobs.finish(begun, new Uint8Array(32).fill(rid), new Uint8Array(32), new Uint8Array(32));
        return { n, document: store.documents.add(repository, new Uint8Array(16), NOW) };
      }),
    );
  const [kept, spare] = [add(1), add(2)];
  const loss = { document: kept.document, at: NOW, reason: "demoted", changes: [] } as const;
  must(store.transaction(() => storeLoss({ store, inspect: createChangeInspector(native) }, loss)));
  const deps = { store, blobs, clock, log: SILENT, isStopped: () => false, named: async () => new Set<string>() };
  must(await sweepAttachments(deps));
  expect([kept.n, spare.n].map((n) => store.blobs.byNumber(n) !== undefined)).toEqual([true, false]);
  must(store.transaction(() => dropLoss(store, kept.document)));
  must(await sweepAttachments(deps));
  expect(store.blobs.byNumber(kept.n)).toBeUndefined();
});

test("P-BLOB-1 P-BLOB-2 P-BLOB-4 chunks are whole or absent, written once, and removing nothing is fine", async () => {
  const blobs = createBlobFolder(path.join(folder, "blobs"));
  const id = new Uint8Array(32).fill(1);
  expect(must(await blobs.get(1, id))).toBeUndefined();
  must(await blobs.put(1, id, Uint8Array.of(1, 2, 3)));
  must(await blobs.put(1, id, Uint8Array.of(9)));
  must(await blobs.flush());
  expect(must(await blobs.get(1, id))).toEqual(Uint8Array.of(1, 2, 3));
  expect(must(await blobs.get(2, id))).toBeUndefined();
  // What a crash leaves beside a chunk is not listed, and goes once it is old.
  const left = `${chunkFile(1, new Uint8Array(32).fill(2)).replace("/02/", "/01/")}.1-0.partial`;
  writeFileSync(left, "half");
  utimesSync(left, 0, 0);
  const listed: string[] = [];
  for await (const page of blobs.list()) listed.push(...page.map((chunk) => bytesToHex(chunk.id)));
  expect(listed).toEqual([bytesToHex(id)]);
  expect(existsSync(left)).toBe(false);
  await blobs.remove(1, id);
  await blobs.remove(1, id);
  expect(must(await blobs.get(1, id))).toBeUndefined();
});
