import { expect, test } from "vitest";
import { inspectBatch } from "../../app/repositories/change-batch.ts";
import { storeChanges } from "../../app/repositories/integrate.ts";
import { createChangeInspector } from "../../main/adapters/inspect-change.ts";
import { bytesToHex } from "../../protocol/kernel/bytes.ts";
import { createReplica } from "../../protocol/replica/replica.ts";
import { automergeDependencies } from "../support/automerge-dependencies.ts";
import { filled, must, native } from "../support/data-fixtures.ts";
import { createManualClock, createRepositoryPeer, exchange } from "../support/repository-peers.ts";
import { createSeededRandom } from "../support/seeded-random.ts";

const inspect = createChangeInspector(native);
const [NOTE, OTHER] = [filled(21, 16), filled(22, 16)];

/** A change of `actor` that appends `text` to what `known` makes. */
const change = (actor: string, known: readonly Uint8Array[], text: string): Uint8Array => {
  const replica = createReplica(automergeDependencies, actor);
  replica.applyChanges(known);
  const object = replica.objectAt(["text"]);
  const made = replica.change({ time: 0 }, (transaction) => {
    if (object === undefined) transaction.putText("_root", "text", text);
    else transaction.splice(object, replica.length(object), 0, text);
  });
  if (made === undefined) throw new Error("nothing changed");
  return made.bytes;
};

test("drafts on top of a live change whose entry has not come wait for it; those in other notes and before it are sealed", () => {
  const random = createSeededRandom("seal-drafts");
  const clock = createManualClock();
  const [owner, ann] = ["Olga", "Ann"].map((name) => createRepositoryPeer(name, random.fork(name), clock));
  if (owner === undefined || ann === undefined) throw new Error("two peers");
  owner.found();
  owner.write("<first>", "now");
  owner.admit(ann, 2);
  for (let round = 0; round < 6; round++) {
    exchange(random, clock, owner, ann, 0);
    clock.advance(3_000);
  }
  const repository = ann.repository();
  if (repository === undefined) throw new Error("Ann is in");
  const { store } = ann;
  const own = must(ann.service().leaseSession(repository)).session.session;
  const add = (did: Uint8Array, changes: readonly Uint8Array[]): void => {
    const batch = must(inspectBatch(inspect, changes));
    must(
      store.transaction(() => {
        must(storeChanges(store, store.documents.add(repository.n, did, 0), batch, "draft", 0));
      }),
    );
  };
  const before = change(bytesToHex(own), [], "mine ");
  const live = change("ab".repeat(16), [before], "theirs ");
  const after = change(bytesToHex(own), [before, live], "on top ");
  const later = change(bytesToHex(own), [before, live, after], "and on ");
  const apart = change(bytesToHex(own), [], "elsewhere ");
  for (const [did, bytes] of [
    [NOTE, before],
    [NOTE, live],
    [NOTE, after],
    [NOTE, later],
    [OTHER, apart],
  ] as const)
    add(did, [bytes]);
  const waiting = (): readonly string[] =>
    store.documents.drafts(repository.n, 10).map(({ did, firstSeq, drafts }) => `${did[0]}:${firstSeq}+${drafts}`);
  expect(waiting()).toEqual(["21:1+1", "21:2+1", "21:3+1", "22:1+1"]);

  ann.service().sealAll();
  expect(waiting()).toEqual(["21:2+1", "21:3+1"]);
  exchange(random, clock, ann, owner, 0);
  const at = owner.repository()?.n ?? 0;
  const reached = (did: Uint8Array): number => {
    const row = owner.store.documents.byId(at, did);
    return row === undefined ? 0 : owner.store.documents.changesAfter(row.n, 0).changes.length;
  };
  expect([reached(NOTE), reached(OTHER)]).toEqual([1, 1]);

  // The entry comes: what waited for it is free.
  const batch = must(inspectBatch(inspect, [live]));
  const row = store.documents.byId(repository.n, NOTE);
  must(store.transaction(() => must(storeChanges(store, row?.n ?? 0, batch, "entry", 0))));
  ann.service().sealAll();
  expect(waiting()).toEqual([]);
});
