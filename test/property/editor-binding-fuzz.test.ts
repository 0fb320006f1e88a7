import { expect, test } from "vitest";
import { randomBelow } from "../../protocol/kernel/random.ts";
import type { EditorPeer } from "../support/editor-peers.ts";
import { createEditorPeer, noteChange, randomEdit, randomNote, shownByReplica } from "../support/editor-peers.ts";
import { createSeededRandom } from "../support/seeded-random.ts";

/** Nightly: EDITOR_FUZZ_ROUNDS=10000. A failure names its seed; EDITOR_FUZZ_SEED=<seed> EDITOR_FUZZ_ROUNDS=1 replays it. */
const ROUNDS = Number(process.env["EDITOR_FUZZ_ROUNDS"] ?? 600);
const FIRST_SEED = Number(process.env["EDITOR_FUZZ_SEED"] ?? 1);
const EDITS = 40;

const expectNoDrift = (peer: EditorPeer, seed: number, step: string): void => {
  const { doc } = peer.state();
  if (!shownByReplica(peer).eq(doc))
    expect({ seed, step, doc: doc.toJSON() as unknown }).toEqual({
      seed,
      step,
      doc: shownByReplica(peer).toJSON() as unknown,
    });
  doc.check();
};

const round = (seed: number): number => {
  const random = createSeededRandom(`editor-binding/${seed}`);
  const first = noteChange(randomNote(random));
  const peers = Array.from({ length: 2 + randomBelow(random, 3) }, (_, index) =>
    createEditorPeer((index + 1).toString(16).padStart(2, "0").repeat(16), [first]),
  );
  /** Changes each peer has not received yet. */
  const inboxes = peers.map((): Uint8Array[] => []);
  let edits = 0;
  const deliver = (index: number, count: number): void => {
    const inbox = inboxes[index] as Uint8Array[];
    const taken: Uint8Array[] = [];
    for (let i = 0; i < count && inbox.length > 0; i++)
      taken.push(...inbox.splice(randomBelow(random, inbox.length), 1));
    if (taken.length > 0) (peers[index] as EditorPeer).receive(taken);
    expectNoDrift(peers[index] as EditorPeer, seed, `received ${taken.length}`);
  };
  for (let i = 0; i < EDITS; i++) {
    const index = randomBelow(random, peers.length);
    const peer = peers[index] as EditorPeer;
    const changes = randomEdit(random, peer);
    expectNoDrift(peer, seed, `edit ${i}`);
    edits += changes.length;
    inboxes.forEach((inbox, other) => {
      if (other !== index) inbox.push(...changes);
    });
    if (randomBelow(random, 3) === 0) deliver(randomBelow(random, peers.length), 1 + randomBelow(random, 6));
  }
  peers.forEach((_, index) => {
    deliver(index, Number.POSITIVE_INFINITY);
  });
  const [one, ...others] = peers as [EditorPeer, ...EditorPeer[]];
  for (const other of others) {
    expect({ seed, heads: other.replica.heads() }).toEqual({ seed, heads: one.replica.heads() });
    expect({ seed, spans: other.replica.spans(other.text) }).toEqual({ seed, spans: one.replica.spans(one.text) });
    expect(other.state().doc.eq(one.state().doc)).toBe(true);
  }
  for (const peer of peers) {
    expect(peer.binding.heal(peer.state())).toBeUndefined();
    expect(peer.binding.healCount()).toBe(0);
  }
  return edits;
};

test(`${ROUNDS} seeded rounds of 2 to 4 people editing, undoing and syncing in any order converge without a heal`, () => {
  let edits = 0;
  for (let seed = FIRST_SEED; seed < FIRST_SEED + ROUNDS; seed++) {
    try {
      edits += round(seed);
    } catch (cause) {
      throw new Error(`EDITOR_FUZZ_SEED=${seed} fails`, { cause });
    }
  }
  console.log(`editor-binding-fuzz: seeds ${FIRST_SEED} to ${FIRST_SEED + ROUNDS - 1}, ${edits} edits`);
  expect(edits).toBeGreaterThan(ROUNDS * 10);
}, 3_600_000);
