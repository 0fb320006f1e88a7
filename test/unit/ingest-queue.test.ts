import { expect, test } from "vitest";
import type { ItemOpener } from "../../app/ports/item-opener.ts";
import type { TopicRow } from "../../app/ports/store.ts";
import type { Candidate, OpenedItem } from "../../app/repositories/ingest-queue.ts";
import { createIngestQueue } from "../../app/repositories/ingest-queue.ts";
import type { Repository } from "../../app/repositories/repository.ts";
import type { PushResult } from "../../protocol/peer/messages.ts";
import { monotonicMs } from "../../protocol/kernel/time.ts";

const ORIGIN = { source: undefined, isAcknowledged: false };
const TOPIC = { pk: new Uint8Array(32), readKey: new Uint8Array(32) } as TopicRow;
const REPOSITORY = { rid: new Uint8Array(16) } as Repository;

const wireOf = (n: number, size = 10): Uint8Array => new Uint8Array(size).fill(n);
const openedOf = (wire: Uint8Array): OpenedItem => {
  const [n = 0] = wire;
  const item = { oid: new Uint8Array(32).fill(n), gen: n, wire } as Candidate["item"];
  // Odd ones are no items.
  return { oid: item.oid, candidate: n % 2 === 1 ? undefined : { item, opened: undefined } };
};

/** A queue whose slices run when told; `opener` as given. */
const queueOver = (opener: ItemOpener, store: (gens: readonly number[]) => PushResult["status"] = () => 0) => {
  const jobs: (() => boolean)[] = [];
  const commits: number[][] = [];
  const openedHere: number[] = [];
  let drained = 0;
  const queue = createIngestQueue({
    slices: { add: (step) => void jobs.push(step), stop: () => undefined },
    clock: { monotonic: () => monotonicMs(0) } as never,
    opener,
    open: (_topic, _repository, wire) => {
      openedHere.push(wire[0] as number);
      return openedOf(wire);
    },
    admit: (_topic, { oid, candidate }) => candidate ?? { oid, status: 2 },
    commit: (_topic, _repository, candidates, _origin, covered) => {
      const gens = candidates.map(({ item }) => item.gen);
      commits.push(gens);
      const status = store(gens);
      if (status === 0) covered?.();
      return status;
    },
    drained: () => void drained++,
  });
  const runSlices = (): void => {
    for (let job = jobs[0]; job !== undefined; job = jobs[0]) if (job()) jobs.shift();
  };
  return { queue, runSlices, commits, openedHere, drained: () => drained };
};

const NEVER: ItemOpener = {
  isReady: () => false,
  prepare: () => undefined,
  open: () => Promise.resolve(undefined),
  stop: () => Promise.resolve(),
};

test("pages are committed in the order they came, each in order of gen, and answered wire by wire", () => {
  const { queue, runSlices, commits, drained } = queueOver(NEVER);
  const answers: (readonly PushResult[])[] = [];
  queue.add(TOPIC, REPOSITORY, [wireOf(4), wireOf(3), wireOf(2)], ORIGIN, (results) => answers.push(results));
  queue.add(TOPIC, REPOSITORY, [wireOf(8)], ORIGIN, (results) => answers.push(results));
  runSlices();
  expect(commits).toEqual([[2, 4], [8]]);
  expect(answers.map((results) => results.map(({ oid, status }) => [oid[0], status]))).toEqual([
    [
      [3, 2],
      [2, 0],
      [4, 0],
    ],
    [[8, 0]],
  ]);
  expect(drained()).toBe(1);
});

test("a long page is committed in parts", () => {
  const { queue, runSlices, commits } = queueOver(NEVER);
  const wires = [2, 4, 6, 8].map((n) => wireOf(n, 200_000));
  queue.add(TOPIC, REPOSITORY, wires, ORIGIN, () => undefined);
  runSlices();
  expect(commits).toEqual([[2, 4, 6], [8]]);
});

test("pages behind the first are opened beside it once the opener is ready, and here when it dies", async () => {
  let prepared: (() => void) | undefined;
  const settle: ((opened: readonly OpenedItem[] | undefined) => void)[] = [];
  const asked: number[] = [];
  const opener: ItemOpener = {
    isReady: () => ready,
    prepare: (call) => {
      prepared = call;
    },
    open: ({ wires }) =>
      new Promise((resolve) => {
        asked.push(wires[0]?.[0] as number);
        settle.push(resolve as never);
      }),
    stop: () => Promise.resolve(),
  };
  let ready = false;
  const { queue, runSlices, commits, openedHere } = queueOver(opener);
  for (const n of [2, 4, 6, 8]) queue.add(TOPIC, REPOSITORY, [wireOf(n)], ORIGIN, () => undefined);
  expect(asked).toEqual([]);
  ready = true;
  prepared?.();
  expect(asked).toEqual([4, 6]);
  runSlices();
  // The first one needed nobody; the second waits for its answer although the last could be opened here.
  expect([commits, openedHere]).toEqual([[[2]], [2]]);
  settle[1]?.([openedOf(wireOf(6))]);
  await Promise.resolve();
  await Promise.resolve();
  runSlices();
  expect(commits).toEqual([[2]]);
  settle[0]?.(undefined);
  await Promise.resolve();
  await Promise.resolve();
  runSlices();
  settle[2]?.([openedOf(wireOf(8))]);
  await Promise.resolve();
  await Promise.resolve();
  runSlices();
  expect(commits).toEqual([[2], [4], [6], [8]]);
  expect(openedHere).toEqual([2, 4]);
});

test("I28 what covers a page is written with its last wires, and not when one of them could not be stored", () => {
  const covered: (readonly (readonly [number | undefined, number])[])[] = [];
  const origin = {
    ...ORIGIN,
    covered: (results: readonly PushResult[]) => void covered.push(results.map(({ oid, status }) => [oid[0], status])),
  };
  let isFull = false;
  const { queue, runSlices, commits } = queueOver(NEVER, (gens) => (isFull && gens[0] === 2 ? 4 : 0));
  const wires = [2, 4, 6].map((n) => wireOf(n, 300_000));
  queue.add(TOPIC, REPOSITORY, wires, origin, () => undefined);
  runSlices();
  expect(commits).toEqual([[2, 4], [6]]);
  expect(covered).toEqual([
    [
      [2, 0],
      [4, 0],
      [6, 0],
    ],
  ]);
  queue.add(TOPIC, REPOSITORY, [wireOf(3)], origin, () => undefined);
  runSlices();
  expect(commits.at(-1), "nothing to store, but the page was taken").toEqual([]);
  expect(covered.at(-1)).toEqual([[3, 2]]);
  isFull = true;
  queue.add(TOPIC, REPOSITORY, wires, origin, () => undefined);
  runSlices();
  expect(covered.length).toBe(2);
});
