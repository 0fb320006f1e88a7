import Database from "better-sqlite3";
import { beforeEach, expect, test } from "vitest";
import type { Store } from "../../app/ports/store.ts";
import { createForgetting, forgottenRepositories, markForgotten } from "../../app/repositories/forgetting.ts";
import type { Repository } from "../../app/repositories/repository.ts";
import { createSliceQueue } from "../../app/runtime/slices.ts";
import { createFollowing } from "../../app/sharing/following.ts";
import { MIGRATIONS } from "../../main/adapters/sqlite/schema.ts";
import { createStore } from "../../main/adapters/sqlite/store.ts";
import { bytesEqual, bytesToHex } from "../../protocol/kernel/bytes.ts";
import { ok } from "../../protocol/kernel/result.ts";
import { filled, must } from "../support/data-fixtures.ts";
import { createManualClock, settled } from "../support/repository-peers.ts";

const RID = filled(1, 16);
const CHUNKS = [filled(1, 32), filled(2, 32), filled(3, 32)] as const;

let store: Store;
let repository: number;
const clock = createManualClock();

beforeEach(() => {
  const database = new Database(":memory:");
  for (const migration of MIGRATIONS) database.exec(migration);
  store = createStore(database, () => undefined);
  repository = must(
    store.transaction(() => {
      const n = store.repositories.add(RID, "Notes", clock.unix());
      const blob = store.blobs.begin(n, { size: 1, mime: "a/b", name: "x" }, clock.unix());
      store.blobs.addChunks(
        blob,
        CHUNKS.map((id, position) => ({ position, id, key: filled(4, 32), bytes: 10, present: true })),
      );
      markForgotten(store, n, RID);
      return n;
    }),
  );
});

/** Deletes what is marked; files in `stuck` cannot be removed. Answers the ids of those that were, and what was said about it. */
const forget = async (stuck: readonly Uint8Array[], following = createFollowing(store)) => {
  const removed: Uint8Array[] = [];
  const said: string[] = [];
  const note = (message: string): void => void said.push(message);
  createForgetting({
    store,
    blobs: {
      put: async () => ok(null),
      get: async () => ok(undefined),
      flush: async () => ok(null),
      remove: async (_repository, id) => {
        if (stuck.some((one) => bytesEqual(one, id))) throw new Error("EBUSY");
        removed.push(id);
      },
      list: async function* () {
        yield [];
      },
    },
    search: { index: async () => true },
    slices: createSliceQueue(clock),
    following,
    log: { debug: note, info: note, warn: note, error: note },
  }).open();
  await settled(clock);
  return { removed: removed.map(([first]) => first).toSorted(), said };
};

test("a file that cannot be removed keeps nothing else of a notebook", async () => {
  const { removed, said } = await forget([CHUNKS[1]]);
  expect(removed).toEqual([1, 3]);
  expect(said).toEqual(["files not deleted"]);
  expect(forgottenRepositories(store)).toEqual([]);
  expect(store.blobs.chunksOf(repository)).toEqual([]);
});

test("a notebook that was paused and deleted is not paused when it is joined again", async () => {
  const following = createFollowing(store);
  const notebook = { id: bytesToHex(RID) } as Repository;
  must(following.set(notebook, { isPaused: true }));
  await forget([], following);
  expect(following.isPaused(notebook)).toBe(false);
  expect(createFollowing(store).isPaused(notebook)).toBe(false);
});
