import { describe, expect, test } from "vitest";
import type { TopicRow } from "../../app/ports/store.ts";
import { openEntry } from "../../app/repositories/integrate.ts";
import type { Repository } from "../../app/repositories/repository.ts";
import { createChangeInspector } from "../../main/adapters/inspect-change.ts";
import type { CheckedItem } from "../../protocol/entry/item.ts";
import { readItem } from "../../protocol/entry/item.ts";
import { must, native } from "../support/data-fixtures.ts";
import type { ManualClock, RepositoryPeer } from "../support/repository-peers.ts";
import { createManualClock, createRepositoryPeer, exchange } from "../support/repository-peers.ts";
import { createSeededRandom } from "../support/seeded-random.ts";

const random = createSeededRandom("late records");
const inspect = createChangeInspector(native);
const repositoryOf = (peer: RepositoryPeer): Repository => peer.repository() as Repository;

const settle = (clock: ManualClock, peers: readonly RepositoryPeer[]): void => {
  for (let round = 0, quiet = 0; quiet < 3 && round < 40; round++) {
    let handed = 0;
    for (const one of peers) for (const two of peers) if (one !== two) handed += exchange(random, clock, one, two, 0);
    clock.advance(3_000);
    quiet = handed === 0 ? quiet + 1 : 0;
  }
};

/** Records with changes of documents in the current topic. */
const contentInCurrentTopic = (peer: RepositoryPeer): number => {
  const { rid, epoch } = repositoryOf(peer);
  return peer.store.entries.items(epoch.topic).filter(({ oid }) => {
    const item = must(readItem(native, peer.store.entries.wire(oid) as Uint8Array));
    const opened = openEntry({ crypto: native, inspect }, rid, epoch.readKey, item as CheckedItem);
    return opened.type === "record" && opened.batches.length > 0;
  }).length;
};

/**
 * Olga holds the keys of a topic of combined epochs no more, a member has left under the newer keys, and only then comes what Wim
 * wrote in that topic: his device is gone since.
 */
const play = (name: string) => {
  const clock = createManualClock();
  const [olga, wim, rita] = ["Olga", "Wim", "Rita"].map((who) =>
    createRepositoryPeer(who, random.fork(name + who), clock),
  ) as [RepositoryPeer, RepositoryPeer, RepositoryPeer];
  olga.found();
  expect(olga.admit(wim, 2)).toBe(true);
  expect(olga.admit(rita, 1)).toBe(true);
  settle(clock, [olga, wim, rita]);
  must(olga.members().rotate(repositoryOf(olga)));
  must(wim.members().rotate(repositoryOf(wim)));
  settle(clock, [olga, wim, rita]);
  expect(repositoryOf(olga).access.state().epochHeads).toHaveLength(2);

  wim.write("<late>", "now");
  must(olga.members().rotate(repositoryOf(olga)));
  settle(clock, [olga, rita]);
  must(rita.members().leave(repositoryOf(rita)));
  settle(clock, [olga, rita]);
  expect(repositoryOf(olga).access.state().stale).toBe(true);
  const { epoch } = repositoryOf(wim);
  const wires = wim.store.entries.items(epoch.topic).map(({ oid }) => wim.store.entries.wire(oid) as Uint8Array);
  const topic = olga.service().topicByPk(epoch.topicPk) as TopicRow;
  olga.service().ingest(topic, wires, { source: wim, isAcknowledged: true }, () => undefined);
  clock.advance(1);
  expect(olga.text()).toContain("<late>");
  expect(contentInCurrentTopic(olga)).toBe(0);
  return { clock, olga };
};

describe("a record that arrives late in a topic not everybody follows", () => {
  test("is sealed again once the keys are changed, although nobody writes anything more", () => {
    const { clock, olga } = play("goes on");
    clock.advance(3_000);
    expect(repositoryOf(olga).access.state().stale).toBe(false);
    expect(contentInCurrentTopic(olga)).toBe(1);
  });

  test("is sealed again by a device that started anew meanwhile", () => {
    const { clock, olga } = play("starts anew");
    const again = olga.clone();
    expect(contentInCurrentTopic(again)).toBe(0);
    clock.advance(3_000);
    expect(repositoryOf(again).access.state().stale).toBe(false);
    expect(contentInCurrentTopic(again)).toBe(1);
  });
});
